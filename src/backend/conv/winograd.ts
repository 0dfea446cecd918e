import { type ConvGeometry, convOutHeight, convOutWidth } from "../../core/conv-geometry.js";
import type { KernelCall } from "../backend.js";
import type { ConvPlan } from "../convolution.js";
import { type ConvTarget, ceilDiv, madeRows, packedWordsOf, packingLimit, roundUp, scratchWords } from "./target.js";

type WinogradName = "winograd2" | "winograd4" | "winograd4_stride2" | "winograd8_transposed2";

/** A variant of Winograd's algorithm for 3×3 kernels. */
export interface WinogradKind<Name extends WinogradName = WinogradName> {
  readonly name: Name;
  readonly stride: 1 | 2;
  /** Outputs of a tile on each axis. */
  readonly outputs: number;
  /** Points on each axis where a tile's inputs and the kernel are multiplied; with stride 2 some share a kernel point. */
  readonly points: number;
  readonly kernelPoints: number;
  /** A tile with no more outputs than this on an axis is an edge, and needs products at so many points there. */
  readonly edge?: { readonly outputs: number; readonly points: number };
  /** Cycles to transform one vector of a tile's inputs, of kernels and of a panel's results: fitted to times of layers. */
  readonly inputCycles: number;
  readonly kernelCycles: number;
  readonly outputCycles: number;
}

export const winograd2: WinogradKind<"winograd2"> = {
  ...{ name: "winograd2", stride: 1, outputs: 2, points: 4, kernelPoints: 4 },
  ...{ inputCycles: 40, kernelCycles: 32, outputCycles: 48 },
};
export const winograd4: WinogradKind<"winograd4"> = {
  ...{ name: "winograd4", stride: 1, outputs: 4, points: 6, kernelPoints: 6, edge: { outputs: 2, points: 4 } },
  ...{ inputCycles: 95, kernelCycles: 45, outputCycles: 95 },
};
export const winograd4Stride2: WinogradKind<"winograd4_stride2"> = {
  ...{ name: "winograd4_stride2", stride: 2, outputs: 4, points: 9, kernelPoints: 6 },
  ...{ inputCycles: 150, kernelCycles: 50, outputCycles: 150 },
};
export const winograd8Transposed2: WinogradKind<"winograd8_transposed2"> = {
  ...{ name: "winograd8_transposed2", stride: 2, outputs: 8, points: 9, kernelPoints: 6 },
  ...{ inputCycles: 130, kernelCycles: 50, outputCycles: 200 },
};

/** A 3×3 convolution as Winograd's algorithm sees it; the gradient of the input of one of stride 1 is one too. */
export interface WinogradProblem {
  readonly batch: number;
  readonly inHeight: number;
  readonly inWidth: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly padY: number;
  readonly padX: number;
  readonly groups: number;
  /** Of one group. */
  readonly inputs: number;
  readonly outputs: number;
}

/** True for what Winograd's algorithm computes: 3×3 of this stride, dilation 1, and groups of a few channels at least. */
export function isWinograd(g: ConvGeometry, stride: 1 | 2 = 1): boolean {
  const dense = g.kernelHeight === 3 && g.kernelWidth === 3 && g.dilationHeight === 1 && g.dilationWidth === 1;
  const strided = g.strideHeight === stride && g.strideWidth === stride;
  return dense && strided && Math.min(g.inChannels, g.outChannels) / g.groups >= 4;
}

/** True where a block of one micro-tile's rows fits in scratch memory. */
export function winogradFits(problem: WinogradProblem, kind: WinogradKind, target: ConvTarget): boolean {
  return blockWords(problem, kind, target.microRows, target) <= scratchWords;
}

export function forwardProblem(g: ConvGeometry): WinogradProblem {
  return {
    batch: g.batch,
    inHeight: g.height,
    inWidth: g.width,
    outHeight: convOutHeight(g),
    outWidth: convOutWidth(g),
    padY: g.padTop,
    padX: g.padLeft,
    groups: g.groups,
    inputs: g.inChannels / g.groups,
    outputs: g.outChannels / g.groups,
  };
}

/** True where {@link winograd8Transposed2} computes the gradient of the input. */
export function isTransposedWinograd(g: ConvGeometry): boolean {
  return isWinograd(g, 2) && g.padTop === 1 && g.padLeft === 1;
}

/**
 * The gradient of the input: the output's gradient convolved with the rotated kernel, with pads 2 − pad (may be negative); with stride 2
 * and pad 1, tiles of both begin at the same corner.
 */
export function backwardDataProblem(g: ConvGeometry): WinogradProblem {
  const [padY, padX] = g.strideHeight === 2 ? [0, 0] : [2 - g.padTop, 2 - g.padLeft];
  return {
    batch: g.batch,
    inHeight: convOutHeight(g),
    inWidth: convOutWidth(g),
    outHeight: g.height,
    outWidth: g.width,
    padY,
    padX,
    groups: g.groups,
    inputs: g.outChannels / g.groups,
    outputs: g.inChannels / g.groups,
  };
}

export function winogradForward(g: ConvGeometry, kind: WinogradKind, target: ConvTarget): ConvPlan {
  return winogradPlan(g, forwardProblem(g), kind, 0, target);
}

export function winogradBackwardData(g: ConvGeometry, kind: WinogradKind, target: ConvTarget): ConvPlan {
  return winogradPlan(g, backwardDataProblem(g), kind, 1, target);
}

function winogradPlan(
  g: ConvGeometry,
  problem: WinogradProblem,
  kind: WinogradKind,
  transposed: 0 | 1,
  target: ConvTarget,
): ConvPlan {
  const { groups, inputs, outputs } = problem;
  const { blockTiles, blockPanels } = winogradBlocks(problem, kind, target);
  const points = packsPoints(target);
  const halves = target.halfWeights ? 1 : 0;
  const weights = groups * roundUp(outputs, target.panelColumns) * inputs * (points ? kind.kernelPoints ** 2 : 9);
  return {
    algorithm: kind.name,
    packedWords: packedWordsOf(weights, target),
    ...packingLimit(target),
    workspaceWords: 0,
    pack: (weight, packed): KernelCall[] => {
      const args = { weight, packed, in_channels: g.inChannels, out_channels: g.outChannels, groups, transposed };
      if (points) return [{ kernel: `conv_${kind.name}_pack`, args: { ...args, halves } }];
      // The gradient of the input meets the kernel rotated by 180°.
      const [first, step] = transposed ? [2, -1] : [0, 1];
      const taps = { first_y: first, first_x: first, tap_step_y: step, tap_step_x: step, halves };
      return [{ kernel: "conv_pack", args: { ...args, kernel_width: 3, taps_y: 3, taps_x: 3, ...taps } }];
    },
    run: (at): KernelCall[] => [
      {
        kernel: `conv_${kind.name}_forward`,
        args: {
          x: at.input,
          packed: at.packed,
          bias: at.bias ?? 0,
          y: at.output,
          batch: problem.batch,
          in_height: problem.inHeight,
          in_width: problem.inWidth,
          in_channels: groups * inputs,
          out_height: problem.outHeight,
          out_width: problem.outWidth,
          out_channels: groups * outputs,
          pad_y: problem.padY,
          pad_x: problem.padX,
          groups,
          packed_points: points ? 1 : 0,
          halves,
          block_tiles: blockTiles,
          block_panels: blockPanels,
          relu: at.relu ? 1 : 0,
          accumulate: at.accumulate ? 1 : 0,
        },
      },
    ],
  };
}

/** What of a task's transformed tiles stays in a core's L2 (1 MiB), beside the weights that pass through. */
export const l2Words = (640 << 10) / 4;

/**
 * Whether kernels are transformed when they are packed, or each time anew: a quarter of the memory. The former is faster only
 * where the points are asked for ahead; builds of short vectors do not (WebAssembly cannot).
 */
const packsPoints = (target: ConvTarget) => target.lanes > 4 && !target.compactWeights;

/** Inputs whose kernels are transformed together (KERNEL_INPUTS of kernels/conv_winograd_forward.h). */
const kernelInputs = 192;

function blockWords(problem: WinogradProblem, kind: WinogradKind, tiles: number, target: ConvTarget): number {
  // Where there are edges, the tiles of a point may begin anywhere in the block, and micro-tiles end beyond its last row.
  const rows = roundUp(tiles, target.microRows) + (productShare(problem, kind) < 1 ? target.microRows : 0);
  const row = roundUp(problem.inputs, target.lanes) + target.panelColumns;
  const kernelPoint = Math.min(problem.inputs, kernelInputs) * target.panelColumns + 16;
  const kernels = packsPoints(target) ? 0 : kind.kernelPoints ** 2 * kernelPoint;
  return kind.points ** 2 * (rows * row + 32) + kernels + problem.inputs + tiles + 80;
}

export function winogradBlocks(problem: WinogradProblem, kind: WinogradKind, target: ConvTarget) {
  return bestBlocks(
    problem,
    kind,
    target,
    (tiles) => blockWords(problem, kind, tiles, target),
    (tiles, panels) => taskCycles(problem, kind, tiles, panels, target),
  );
}

/**
 * How a layer is cut in tasks: the blocks of tiles × panels with which the busiest thread is done first. More blocks of
 * panels share out weights that are large, but each transforms its inputs again.
 * @param words of scratch memory that a task of so many tiles takes
 * @param cycles that a task of so many tiles and panels takes
 */
export function bestBlocks(
  problem: WinogradProblem,
  kind: WinogradKind,
  target: Pick<ConvTarget, "lanes" | "microRows" | "panelColumns" | "threads">,
  words: (tiles: number) => number,
  cycles: (tiles: number, panels: number) => number,
) {
  const tiles = winogradTiles(problem, kind);
  const panels = ceilDiv(problem.outputs, target.panelColumns);
  const step = madeRows(1, target);
  let best = { blockTiles: target.microRows, blockPanels: panels, cycles: Number.POSITIVE_INFINITY };
  for (let blockTiles = target.microRows; blockTiles < tiles + target.microRows; blockTiles += step) {
    if (words(blockTiles) > scratchWords) break;
    for (let blocks = 1; blocks <= Math.min(panels, 2 * target.threads); blocks++) {
      const blockPanels = ceilDiv(panels, blocks);
      const tasks = problem.groups * ceilDiv(tiles, blockTiles) * ceilDiv(panels, blockPanels);
      const rounds = ceilDiv(tasks, target.threads);
      const taken = rounds * cycles(Math.min(blockTiles, madeRows(tiles, target)), blockPanels);
      if (taken < best.cycles) best = { blockTiles, blockPanels, cycles: taken };
    }
  }
  return best;
}

export function winogradTiles(problem: WinogradProblem, kind: WinogradKind): number {
  return problem.batch * ceilDiv(problem.outHeight, kind.outputs) * ceilDiv(problem.outWidth, kind.outputs);
}

/** Products that are made, as a share of those of whole tiles: edges need fewer. */
export function productShare(problem: WinogradProblem, kind: WinogradKind): number {
  const axis = (outputs: number): number => {
    const rest = outputs % kind.outputs;
    if (!kind.edge || rest === 0 || rest > kind.edge.outputs) return 1;
    const tiles = ceilDiv(outputs, kind.outputs);
    return (tiles - 1 + kind.edge.points / kind.points) / tiles;
  };
  return axis(problem.outHeight) * axis(problem.outWidth);
}

/** Measured: cycles to read a word from beyond L2. Builds of short vectors do not (WebAssembly cannot) ask for it ahead. */
export const farWordCycles = (target: Pick<ConvTarget, "lanes">) => (target.lanes > 4 ? 0.3 : 0.8);

function taskCycles(
  problem: WinogradProblem,
  kind: WinogradKind,
  tiles: number,
  panels: number,
  target: ConvTarget,
): number {
  const points = kind.points ** 2 * productShare(problem, kind);
  const multiply = (points * tiles * problem.inputs * panels * target.panelColumns) / (2 * target.lanes);
  const kernelWords = problem.inputs * panels * target.panelColumns;
  const kernels = packsPoints(target)
    ? kernelWords * kind.kernelPoints ** 2 * farWordCycles(target)
    : (kernelWords / target.lanes) * kind.kernelCycles;
  const far = Math.max(0, kind.points ** 2 * tiles * problem.inputs - l2Words) * panels * farWordCycles(target);
  const input = tiles * ceilDiv(problem.inputs, target.lanes) * kind.inputCycles;
  const output = tiles * panels * (target.panelColumns / target.lanes) * kind.outputCycles;
  return multiply + kernels + far + input + output;
}
