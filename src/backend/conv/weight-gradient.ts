import { type ConvGeometry, convOutHeight, convOutWidth } from "../../core/conv-geometry.js";
import type { KernelCall, Pointer } from "../backend.js";
import type { ConvWeightGradientPlan } from "../convolution.js";
import { convSizes } from "./sizes.js";
import { blockLength, type ConvTarget, ceilDiv, checkScratch, roundUp } from "./target.js";

/** Output positions of a chunk: long sums in registers, packed operands that stay in L2. */
const chunkPositions = 128;

/** Words of a task's packed operands and of its part of the result that still fit L2 well. */
const operandWords = 96 * 1024;
const resultWords = 96 * 1024;
const maxInputs = 256;

/**
 * Blocks of the result share out the multiplications, but each packs its operands anew. Where the result is small the positions are
 * shared out instead: so many runs of them, of which each has a result of its own.
 */
const mostParts = 8;
const partsWords = 256 * 1024;

/** From this many images on, small images are put together position by position: see `batch_inner`. */
const batchInnerFrom = 4;
const batchInnerWidth = 8;

/** Any convolution's gradient of the weights. */
export function gemmBackwardWeight(g: ConvGeometry, target: ConvTarget): ConvWeightGradientPlan {
  const shape = gemmShape(g, target);
  const words = weightWords(g);
  return {
    algorithm: "gemm",
    workspaceWords: shape.parts === 1 ? 0 : shape.parts * words,
    run: ({ input, outputGradient, weightGradient, workspace, accumulate }): KernelCall[] => [
      {
        kernel: "conv_gemm_backward_weight",
        args: {
          x: input,
          dy: outputGradient,
          dw: shape.parts === 1 ? weightGradient : workspace,
          ...convSizes(g),
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
          accumulate: accumulate && shape.parts === 1 ? 1 : 0,
        },
      },
      ...(shape.parts === 1 ? [] : [sumOfParts(workspace, weightGradient, shape.parts, words, accumulate ?? false)]),
    ],
  };
}

function sumOfParts(x: Pointer, y: Pointer, parts: number, words: number, accumulate: boolean): KernelCall {
  return { kernel: "sum_rows", args: { x, y, rows: parts, channels: words, accumulate: accumulate ? 1 : 0 } };
}

function weightWords(g: ConvGeometry): number {
  return g.kernelHeight * g.kernelWidth * (g.inChannels / g.groups) * g.outChannels;
}

/**
 * How the work is cut, and in which order. The order and the chunk decide in which order sums are taken: they depend on the
 * geometry alone. Then the largest blocks whose result and operands fit are cut further, until the threads have enough tasks.
 */
export function gemmShape(g: ConvGeometry, target: ConvTarget) {
  const [outHeight, outWidth] = [convOutHeight(g), convOutWidth(g)];
  const inputs = g.inChannels / g.groups;
  const panels = ceilDiv(g.outChannels / g.groups, target.panelColumns);
  let blockInputs = Math.min(roundUp(inputs, target.microRows), maxInputs);
  let blockPanels = panels;
  let kernelRows = g.kernelHeight;

  const result = () => kernelRows * g.kernelWidth * blockInputs * blockPanels * target.panelColumns;
  const halveInputs = () => {
    blockInputs = roundUp(ceilDiv(blockInputs, 2), target.microRows);
  };
  while (result() > resultWords && blockPanels > 4) blockPanels = ceilDiv(blockPanels, 2);
  while (result() > resultWords && kernelRows > 1) kernelRows = ceilDiv(kernelRows, 2);
  while (result() > resultWords && blockInputs > target.microRows) halveInputs();
  while (result() > resultWords && blockPanels > 1) blockPanels = ceilDiv(blockPanels, 2);

  const operands = (images: number, lines: number): number => {
    const inLines = Math.min(g.height, (lines - 1) * g.strideHeight + (kernelRows - 1) * g.dilationHeight + 1);
    const positions = images * lines * outWidth;
    const segments = 3 * positions;
    const dy = blockPanels * (positions * target.panelColumns + 16);
    return segments + dy + (blockInputs / target.microRows) * (images * inLines * g.width * target.microRows + 16);
  };
  const batchInner = g.batch >= batchInnerFrom && outWidth <= batchInnerWidth && operands(1, outHeight) <= operandWords;
  const chunkOperands = (chunk: number) => (batchInner ? operands(chunk, outHeight) : operands(1, chunk));
  const unit = batchInner ? outHeight * outWidth : outWidth;
  let chunk = Math.min(batchInner ? g.batch : outHeight, ceilDiv(chunkPositions, unit));
  while (chunk > 1 && chunkOperands(chunk) > operandWords) chunk = ceilDiv(chunk, 2);
  while (chunkOperands(chunk) > operandWords && blockInputs > target.microRows) halveInputs();
  while (chunkOperands(chunk) > operandWords && blockPanels > 1) blockPanels = ceilDiv(blockPanels, 2);
  while (chunkOperands(chunk) > operandWords && kernelRows > 1) kernelRows = ceilDiv(kernelRows, 2);
  checkScratch(result() + chunkOperands(chunk) + 64);

  const chunks = batchInner ? ceilDiv(g.batch, chunk) : g.batch * ceilDiv(outHeight, chunk);
  let parts = mostParts;
  while (parts > 1 && (parts > chunks || parts * weightWords(g) > partsWords)) parts /= 2;
  const others = parts * g.groups * ceilDiv(g.kernelHeight, kernelRows) * ceilDiv(inputs, blockInputs);
  blockPanels = Math.min(blockPanels, blockLength(panels, others, target.threads));
  if (others * ceilDiv(panels, blockPanels) < 2 * target.threads) kernelRows = 1;
  return {
    batch_inner: batchInner ? 1 : 0,
    chunk,
    parts,
    block_kernel_rows: kernelRows,
    block_inputs: blockInputs,
    block_panels: blockPanels,
  };
}
