import type { ConvGeometry } from "../../core/conv-geometry.js";
import type { KernelCall } from "../backend.js";
import type { ConvWeightGradientPlan } from "../convolution.js";
import { type ConvTarget, ceilDiv, roundUp, scratchWords } from "./target.js";
import { forwardProblem, productShare, type WinogradKind, type WinogradProblem, winogradTiles } from "./winograd.js";

/** The kinds whose tiles of 4×4 output gradients have a gradient of the weights. */
export type GradientKind = WinogradKind<"winograd4" | "winograd4_stride2">;

/** The gradient of 3×3 weights (see `isWinograd`) by tiles of 4×4 output gradients. */
export function winogradBackwardWeight(
  g: ConvGeometry,
  kind: GradientKind,
  target: ConvTarget,
): ConvWeightGradientPlan {
  const { batch, inHeight, inWidth, outHeight, outWidth, padY, padX, groups, inputs, outputs } = forwardProblem(g);
  const panels = ceilDiv(outputs, target.panelColumns);
  const blocks = winogradGradientBlocks(g, kind, target);
  const channels = { in_channels: groups * inputs, out_channels: groups * outputs, groups };
  return {
    algorithm: kind.name,
    workspaceWords:
      groups * kind.kernelPoints ** 2 * (roundUp(inputs, target.microRows) * panels * target.panelColumns + 16),
    run: (at): KernelCall[] => [
      {
        kernel: `conv_${kind.name}_backward_weight`,
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
        kernel: `conv_${kind.name}_backward_weight_finish`,
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
export function winogradGradientBlocks(g: ConvGeometry, kind: WinogradKind, target: ConvTarget) {
  const problem = forwardProblem(g);
  const quads = ceilDiv(problem.inputs, target.microRows);
  const panels = ceilDiv(problem.outputs, target.panelColumns);
  const tiles = winogradTiles(problem, kind);
  const inputs = Math.min(quads * target.microRows, maxInputs);
  const columns = Math.min(panels * target.panelColumns, maxColumns);
  // A column of a vector of inputs, or of a panel, has a cache line beside its tiles.
  const besides = (16 / target.lanes) * roundUp(inputs, target.lanes) + (16 / target.panelColumns) * columns;
  const room = Math.floor(
    ((scratchWords - maxInputs - maxChunk - 32) / kind.points ** 2 - besides) / (inputs + columns),
  );
  const chunkTiles = ceilDiv(tiles, ceilDiv(tiles, Math.min(maxChunk, room)));
  let best = { chunkTiles, blockInputs: 0, blockPanels: 0, cycles: Number.POSITIVE_INFINITY };
  for (const blockQuads of blockLengths(quads, maxInputs / target.microRows)) {
    for (const blockPanels of blockLengths(panels, maxColumns / target.panelColumns)) {
      const tasks = problem.groups * ceilDiv(quads, blockQuads) * ceilDiv(panels, blockPanels);
      const blockInputs = blockQuads * target.microRows;
      const task = taskCycles(problem, kind, chunkTiles, blockInputs, blockPanels * target.panelColumns, target);
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
 * Measured: time to transform a vector of output gradients as a share of that for outputs; cycles to begin and end a micro-tile's sums; to
 * read a word of an image.
 */
const gradientShare = 0.85;
const sumsCycles = 30;
const imageWordCycles = 0.4;

function taskCycles(
  problem: WinogradProblem,
  kind: WinogradKind,
  chunk: number,
  inputs: number,
  columns: number,
  target: ConvTarget,
): number {
  const tiles = winogradTiles(problem, kind);
  const products = kind.points ** 2 * inputs * columns;
  const multiply = (tiles * productShare(problem, kind) * products) / (2 * target.lanes);
  const sums = (ceilDiv(tiles, chunk) * products * sumsCycles) / (target.microRows * target.panelColumns);
  const transforms = (tiles * (inputs * kind.inputCycles + columns * kind.outputCycles * gradientShare)) / target.lanes;
  const image = problem.batch * problem.inHeight * problem.inWidth * (inputs + columns) * imageWordCycles;
  return multiply + sums + transforms + image;
}
