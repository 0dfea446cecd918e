import { type ConvGeometry, convOutHeight, convOutWidth } from "../../core/conv-geometry.js";
import type { ConvWeightGradientPlan } from "../convolution.js";
import { blockLength, type ConvTarget, ceilDiv, microRows, scratchWords } from "./target.js";

/** Output positions of a chunk: long sums in registers, packed operands that stay in L2. */
const chunkPositions = 128;

/** Words of a task's packed operands and of its part of the result that still fit L2 well. */
const operandWords = 96 * 1024;
const resultWords = 96 * 1024;

/** From this many images on, small images are put together position by position: see `batch_inner`. */
const batchInnerFrom = 4;
const batchInnerWidth = 8;

/** Any convolution's gradient of the weights. */
export function gemmBackwardWeight(g: ConvGeometry, target: ConvTarget): ConvWeightGradientPlan {
  const shape = gemmShape(g, target);
  return {
    algorithm: "gemm",
    workspaceWords: 0,
    run: ({ input, outputGradient, weightGradient, accumulate }) => [
      {
        kernel: "conv_gemm_backward_weight",
        args: {
          x: input,
          dy: outputGradient,
          dw: weightGradient,
          batch: g.batch,
          in_height: g.height,
          in_width: g.width,
          in_channels: g.inChannels,
          out_height: convOutHeight(g),
          out_width: convOutWidth(g),
          out_channels: g.outChannels,
          groups: g.groups,
          kernel_height: g.kernelHeight,
          kernel_width: g.kernelWidth,
          stride_y: g.strideHeight,
          stride_x: g.strideWidth,
          pad_y: g.padTop,
          pad_x: g.padLeft,
          dilation_y: g.dilationHeight,
          dilation_x: g.dilationWidth,
          ...shape,
          accumulate: accumulate ? 1 : 0,
        },
      },
    ],
  };
}

/** How the work is cut, and in which order. */
export function gemmShape(g: ConvGeometry, target: ConvTarget) {
  const outHeight = convOutHeight(g);
  const outWidth = convOutWidth(g);
  const inputs = g.inChannels / g.groups;
  const panels = ceilDiv(g.outChannels / g.groups, target.panelColumns);
  const batchInner = g.batch >= batchInnerFrom && outWidth <= batchInnerWidth;

  // Inputs and panels of a task: a result that fits, then operands that fit beside it.
  let blockInputs = Math.min(inputs, 256);
  let blockPanels = panels;
  let kernelRows = g.kernelHeight;
  const result = () => kernelRows * g.kernelWidth * (blockInputs + microRows) * blockPanels * target.panelColumns;
  while (result() > resultWords && blockPanels > 4) blockPanels = ceilDiv(blockPanels, 2);
  while (result() > resultWords && kernelRows > 1) kernelRows = ceilDiv(kernelRows, 2);
  while (result() > resultWords && blockInputs > microRows) blockInputs = ceilDiv(blockInputs, 2);
  while (result() > resultWords && blockPanels > 1) blockPanels = ceilDiv(blockPanels, 2);

  const others = g.groups * ceilDiv(g.kernelHeight, kernelRows) * ceilDiv(inputs, blockInputs);
  blockPanels = Math.min(blockPanels, blockLength(panels, others, target.threads));
  if (others * ceilDiv(panels, blockPanels) < 2 * target.threads) kernelRows = 1;

  const operands = (chunk: number): number => {
    const lines = batchInner ? outHeight : chunk;
    const images = batchInner ? chunk : 1;
    const inLines = Math.min(g.height, (lines - 1) * g.strideHeight + (kernelRows - 1) * g.dilationHeight + 1);
    const dy = lines * outWidth * images * blockPanels * target.panelColumns;
    return dy + inLines * g.width * images * (blockInputs + microRows) + 32 * (blockInputs + blockPanels);
  };
  const unit = batchInner ? outHeight * outWidth : outWidth;
  let chunk = Math.max(1, Math.min(batchInner ? g.batch : outHeight, ceilDiv(chunkPositions, unit)));
  while (chunk > 1 && operands(chunk) > operandWords) chunk = ceilDiv(chunk, 2);
  while (operands(chunk) > scratchWords / 2 && blockInputs > microRows) blockInputs = ceilDiv(blockInputs, 2);
  return {
    batch_inner: batchInner ? 1 : 0,
    chunk,
    block_kernel_rows: kernelRows,
    block_inputs: Math.ceil(blockInputs / microRows) * microRows,
    block_panels: blockPanels,
  };
}
