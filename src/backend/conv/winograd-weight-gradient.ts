import type { ConvGeometry } from "../../core/conv-geometry.js";
import type { KernelCall } from "../backend.js";
import type { ConvWeightGradientPlan } from "../convolution.js";
import { blockLength, type ConvTarget, ceilDiv, microRows, roundUp } from "./target.js";
import { forwardProblem, winogradTiles } from "./winograd.js";

/** Tiles of a chunk: long sums in registers, transformed tiles that stay in L2 beside the products. */
const chunkTiles = 32;

/** Words of a task's part of the products: what L2 holds beside a chunk. */
const productWords = 112 * 1024;

/** Inputs of a task at most. */
const maxInputs = 256;

/** The gradient of 3×3 weights (see `isWinograd`) by F(3×3, 4×4). */
export function winogradBackwardWeight(g: ConvGeometry, target: ConvTarget): ConvWeightGradientPlan {
  const { batch, inHeight, inWidth, outHeight, outWidth, padY, padX, groups, inputs, outputs } = forwardProblem(g);
  const panels = ceilDiv(outputs, target.panelColumns);
  const blockInputs = roundUp(Math.min(inputs, maxInputs), microRows);
  const fitting = Math.max(1, Math.floor(productWords / (6 * blockInputs * target.panelColumns)));
  const others = 6 * groups * ceilDiv(inputs, blockInputs) * ceilDiv(panels, fitting);
  const blockPanels = blockLength(ceilDiv(panels, ceilDiv(panels, fitting)), others, target.threads);
  const channels = { in_channels: groups * inputs, out_channels: groups * outputs, groups };
  return {
    algorithm: "winograd4",
    workspaceWords: groups * 36 * (roundUp(inputs, microRows) * panels * target.panelColumns + 16),
    run: (at): KernelCall[] => [
      {
        kernel: "conv_winograd4_backward_weight",
        args: {
          ...channels,
          x: at.input,
          dy: at.outputGradient,
          products: at.workspace,
          batch,
          in_height: inHeight,
          in_width: inWidth,
          out_height: outHeight,
          out_width: outWidth,
          pad_y: padY,
          pad_x: padX,
          chunk_tiles: Math.min(chunkTiles, winogradTiles(forwardProblem(g), 4)),
          block_inputs: blockInputs,
          block_panels: blockPanels,
        },
      },
      {
        kernel: "conv_winograd4_backward_weight_finish",
        args: { ...channels, products: at.workspace, dw: at.weightGradient, accumulate: at.accumulate ? 1 : 0 },
      },
    ],
  };
}
