import type { ConvGeometry } from "../../core/conv-geometry.js";
import type { KernelCall } from "../backend.js";
import type { ConvWeightGradientPlan } from "../convolution.js";
import { type ConvTarget, ceilDiv, roundUp, scratchWords } from "./target.js";
import { forwardProblem, productShare, type WinogradProblem, winograd4, winogradTiles } from "./winograd.js";

/** The gradient of 3×3 weights (see `isWinograd`) by F(3×3, 4×4). */
export function winogradBackwardWeight(g: ConvGeometry, target: ConvTarget): ConvWeightGradientPlan {
  const { batch, inHeight, inWidth, outHeight, outWidth, padY, padX, groups, inputs, outputs } = forwardProblem(g);
  const panels = ceilDiv(outputs, target.panelColumns);
  const blocks = winogradGradientBlocks(g, target);
  const channels = { in_channels: groups * inputs, out_channels: groups * outputs, groups };
  return {
    algorithm: "winograd4",
    workspaceWords: groups * 36 * (roundUp(inputs, target.microRows) * panels * target.panelColumns + 16),
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

/** Inputs and output columns of a task at most: what scratch memory holds of them for a chunk that is long enough. */
const maxInputs = 256;
const maxColumns = 96;

/** Tiles of a chunk at most: longer sums gain nothing. */
const maxChunk = 64;

/**
 * How the work is cut: the blocks of inputs × panels with which the busiest thread is done first. A block of inputs
 * transforms the output gradients again, a block of panels the inputs.
 * The chunk is fixed by the geometry alone, because it decides the order of sums.
 */
export function winogradGradientBlocks(g: ConvGeometry, target: ConvTarget) {
  const problem = forwardProblem(g);
  const quads = ceilDiv(problem.inputs, target.microRows);
  const panels = ceilDiv(problem.outputs, target.panelColumns);
  const tiles = winogradTiles(problem, winograd4);
  const inputs = Math.min(quads * target.microRows, maxInputs);
  const columns = Math.min(panels * target.panelColumns, maxColumns);
  // A column of a vector of inputs, or of a panel, has a cache line beside its tiles.
  const besides = (16 / target.lanes) * roundUp(inputs, target.lanes) + (16 / target.panelColumns) * columns;
  const room = Math.floor(((scratchWords - maxInputs - maxChunk - 32) / 36 - besides) / (inputs + columns));
  const chunkTiles = ceilDiv(tiles, ceilDiv(tiles, Math.min(maxChunk, room)));
  let best = { chunkTiles, blockInputs: 0, blockPanels: 0, cycles: Number.POSITIVE_INFINITY };
  for (const blockQuads of blockLengths(quads, maxInputs / target.microRows)) {
    for (const blockPanels of blockLengths(panels, maxColumns / target.panelColumns)) {
      const tasks = problem.groups * ceilDiv(quads, blockQuads) * ceilDiv(panels, blockPanels);
      const blockInputs = blockQuads * target.microRows;
      const task = taskCycles(problem, chunkTiles, blockInputs, blockPanels * target.panelColumns, target);
      const cycles = ceilDiv(tasks, target.threads) * task;
      if (cycles < best.cycles) best = { chunkTiles, blockInputs, blockPanels, cycles };
    }
  }
  return best;
}

/** Lengths ≤ `longest` that cut `units` in equal parts. */
function blockLengths(units: number, longest: number): readonly number[] {
  const lengths = new Set<number>();
  for (let parts = 1; parts <= units; parts++) if (ceilDiv(units, parts) <= longest) lengths.add(ceilDiv(units, parts));
  return [...lengths];
}

/**
 * Measured: cycles to transform a vector of inputs or of output gradients of a tile; to begin and end a micro-tile's sums;
 * to read a word of an image.
 */
const vectorCycles = { input: 95, gradient: 80 };
const sumsCycles = 30;
const imageWordCycles = 0.4;

function taskCycles(
  problem: WinogradProblem,
  chunk: number,
  inputs: number,
  columns: number,
  target: ConvTarget,
): number {
  const tiles = winogradTiles(problem, winograd4);
  const products = 36 * inputs * columns;
  const multiply = (tiles * productShare(problem, winograd4) * products) / (2 * target.lanes);
  const sums = (ceilDiv(tiles, chunk) * products * sumsCycles) / (target.microRows * target.panelColumns);
  const transforms = (tiles * (inputs * vectorCycles.input + columns * vectorCycles.gradient)) / target.lanes;
  const image = problem.batch * problem.inHeight * problem.inWidth * (inputs + columns) * imageWordCycles;
  return multiply + sums + transforms + image;
}
