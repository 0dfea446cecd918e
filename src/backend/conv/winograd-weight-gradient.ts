import type { ConvGeometry } from "../../core/conv-geometry.js";
import type { KernelCall } from "../backend.js";
import type { ConvWeightGradientPlan } from "../convolution.js";
import { type ConvTarget, ceilDiv, microRows, roundUp, scratchWords } from "./target.js";
import { forwardProblem, winogradTiles } from "./winograd.js";

/** The gradient of 3×3 weights (see `isWinograd`) by F(3×3, 4×4). */
export function winogradBackwardWeight(g: ConvGeometry, target: ConvTarget): ConvWeightGradientPlan {
  const { batch, inHeight, inWidth, outHeight, outWidth, padY, padX, groups, inputs, outputs } = forwardProblem(g);
  const panels = ceilDiv(outputs, target.panelColumns);
  const blocks = winogradGradientBlocks(g, target);
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
          chunk_tiles: blocks.chunkTiles,
          block_lines: blocks.blockLines,
          block_inputs: blocks.blockInputs,
          block_panels: blocks.blockPanels,
        },
      },
      {
        kernel: "conv_winograd4_backward_weight_finish",
        args: { ...channels, products: at.workspace, dw: at.weightGradient, accumulate: at.accumulate ? 1 : 0 },
      },
    ],
  };
}

/** Inputs of a task at most: beyond, products alone would fill L2. */
const maxInputs = 512;

/** Words that a core's L2 holds well. */
const l2Words = (768 << 10) / 4;

/**
 * How the work is cut: the lines of points × panels with which the busiest thread is done first. More lines in a task
 * read the images less often; more panels transform the inputs less often; both make more products to keep in L2.
 * The chunk is fixed by the geometry alone, because it decides the order of sums.
 */
export function winogradGradientBlocks(g: ConvGeometry, target: ConvTarget) {
  const problem = forwardProblem(g);
  const panels = ceilDiv(problem.outputs, target.panelColumns);
  const blockInputs = roundUp(Math.min(problem.inputs, maxInputs), microRows);
  const chunkTiles = Math.min(winogradTiles(problem, 4), problem.inputs <= 256 ? 64 : 32);
  let best = { chunkTiles, blockInputs, blockLines: 1, blockPanels: 1, cycles: Number.POSITIVE_INFINITY };
  for (const blockLines of [1, 2, 3, 6]) {
    for (let parts = 1; parts <= panels; parts++) {
      const blockPanels = ceilDiv(panels, parts);
      const columns = blockPanels * target.panelColumns;
      const operands = blockLines * 6 * (chunkTiles * (blockInputs + columns) + 16 * (blockInputs + columns));
      if (operands + 2 * (blockInputs + columns) > scratchWords) continue;
      const tasks =
        problem.groups * (6 / blockLines) * ceilDiv(problem.inputs, blockInputs) * ceilDiv(panels, blockPanels);
      const task = taskCycles(g, blockLines, chunkTiles, blockInputs, columns, target);
      const cycles = ceilDiv(tasks, target.threads) * task;
      if (cycles < best.cycles) best = { chunkTiles, blockInputs, blockLines, blockPanels, cycles };
    }
  }
  return best;
}

/**
 * Measured: cycles to transform a vector of inputs or of output gradients for one line of points; to begin and end a
 * micro-tile's sums; to read a word of an image, and to update a word of products, that is not in L2.
 */
const lineCycles = { input: 30, gradient: 22 };
const sumsCycles = 30;
const imageWordCycles = 0.4;
const productWordCycles = 0.4;

function taskCycles(
  g: ConvGeometry,
  lines: number,
  chunk: number,
  inputs: number,
  columns: number,
  target: ConvTarget,
): number {
  const problem = forwardProblem(g);
  const tiles = winogradTiles(problem, 4);
  const products = lines * 6 * inputs * columns;
  const chunks = ceilDiv(tiles, chunk);
  const multiply = (tiles * products) / (2 * target.lanes);
  const sums = (chunks * products * sumsCycles) / (microRows * target.panelColumns);
  const transforms = (tiles * lines * (inputs * lineCycles.input + columns * lineCycles.gradient)) / target.lanes;
  const image = problem.batch * problem.inHeight * problem.inWidth * (inputs + columns) * imageWordCycles;
  const operands = lines * 6 * chunk * (inputs + columns);
  const spill = products + operands > l2Words ? chunks * products * productWordCycles : 0;
  return multiply + sums + transforms + image + spill;
}
