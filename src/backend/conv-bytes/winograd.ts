import type { ConvGeometry } from "../../core/conv-geometry.js";
import { ceilDiv, roundUp, scratchWords } from "../conv/target.js";
import {
  bestBlocks,
  farWordCycles,
  forwardProblem,
  isWinograd,
  l2Words,
  productShare,
  type WinogradKind,
  winograd2,
  winograd4,
  winograd4Stride2,
} from "../conv/winograd.js";
import type { ByteConvParts, ByteConvTarget } from "./contract.js";
import { groupWords, hasWholeWords } from "./igemm.js";

/** Variants for bytes: tiles and points are those of floats, the arithmetic is exact (kernels/conv_u8_winograd.h). */
export interface ByteWinogradKind {
  readonly name: "winograd2" | "winograd4" | "winograd4_stride2";
  readonly tiles: WinogradKind;
  /** The largest Σ |w| of an output whose sums it finds again from wrapped ones: 2³² >> SHIFT ≥ 255 · Σ |w| + 1. */
  readonly largestSum: number;
  /** Cycles to transform one vector of a tile's inputs (2 · lanes of them), and of a panel's sums: fitted to times of layers. */
  readonly inputCycles: number;
  readonly outputCycles: number;
}

export const byteWinogradKinds: readonly ByteWinogradKind[] = [
  { name: "winograd2", tiles: winograd2, largestSum: Math.floor(2 ** 30 / 255), inputCycles: 30, outputCycles: 60 },
  { name: "winograd4", tiles: winograd4, largestSum: Math.floor(2 ** 26 / 255), inputCycles: 80, outputCycles: 160 },
  {
    ...{ name: "winograd4_stride2", tiles: winograd4Stride2, largestSum: Math.floor(2 ** 30 / 255) },
    ...{ inputCycles: 130, outputCycles: 200 },
  },
];

/** True where a variant can do this convolution, of weights whose largest sum of magnitudes is this. */
export function doesWinogradBytes(
  g: ConvGeometry,
  kind: ByteWinogradKind,
  target: ByteConvTarget,
  largestSum: number,
): boolean {
  const fits = () => blockWords(g, kind, target.microRows, target) <= scratchWords;
  return isWinograd(g, kind.tiles.stride) && hasWholeWords(g) && largestSum <= kind.largestSum && fits();
}

export function winogradBytes(g: ConvGeometry, name: ByteWinogradKind["name"], target: ByteConvTarget): ByteConvParts {
  const kind = byteWinogradKinds.find((k) => k.name === name)!;
  const { groups } = g;
  const { blockTiles, blockPanels } = winogradBytesBlocks(g, kind, target);
  const panelWords = (9 * groupWords(g) + 1) * target.panelColumns;
  return {
    packedWords: groups * ceilDiv(g.outChannels / groups, target.panelColumns) * panelWords,
    pack: (weight, packed) => [
      {
        kernel: "conv_u8_winograd_pack",
        args: { weight, packed, in_channels: g.inChannels, out_channels: g.outChannels, groups },
      },
    ],
    run: (args) => ({
      kernel: `conv_u8_${name}_forward`,
      args: { ...args, groups, block_tiles: blockTiles, block_panels: blockPanels },
    }),
  };
}

/** Pairs of inputs whose kernels are transformed together (KERNEL_WORDS of kernels/conv_u8_winograd.h). */
const kernelWords = 96;

/** Words of scratch memory of a task of so many tiles. */
function blockWords(g: ConvGeometry, { tiles: kind }: ByteWinogradKind, tiles: number, target: ByteConvTarget): number {
  // Where there are edges, the tiles of a point may begin anywhere in the block, and micro-tiles end beyond its last row.
  const rows = roundUp(tiles, target.microRows) + (productShare(forwardProblem(g), kind) < 1 ? target.microRows : 0);
  const row = roundUp(2 * groupWords(g), target.lanes) + target.panelColumns;
  const kernels = kind.kernelPoints ** 2 * (Math.min(2 * groupWords(g), kernelWords) * target.panelColumns + 16);
  return kind.points ** 2 * (rows * row + 32) + kernels + groupWords(g) + tiles + 160;
}

export function winogradBytesBlocks(g: ConvGeometry, kind: ByteWinogradKind, target: ByteConvTarget) {
  return bestBlocks(
    forwardProblem(g),
    kind.tiles,
    target,
    (tiles) => blockWords(g, kind, tiles, target),
    (tiles, panels) => taskCycles(g, kind, tiles, panels, target),
  );
}

/** Measured: cycles to transform one vector of pairs of a panel's kernels. */
const kernelCycles = 60;

/** Measured: cycles of a vector of products of pairs, of which the processor begins two a cycle; elsewhere sums are instructions of their own. */
export const pairCycles = (target: ByteConvTarget): number => (target.multipliesBytes ? 0.5 : 0.75);

function taskCycles(
  g: ConvGeometry,
  { tiles: kind, inputCycles, outputCycles }: ByteWinogradKind,
  tiles: number,
  panels: number,
  target: ByteConvTarget,
): number {
  const points = kind.points ** 2 * productShare(forwardProblem(g), kind);
  const words = 2 * groupWords(g);
  const vectors = (panels * target.panelColumns) / target.lanes;
  const multiply = points * tiles * words * vectors * pairCycles(target);
  const kernels = words * vectors * kernelCycles;
  const far = Math.max(0, kind.points ** 2 * tiles * words - l2Words) * panels * farWordCycles(target);
  const input = tiles * ceilDiv(words, target.lanes) * inputCycles;
  return multiply + kernels + far + input + tiles * vectors * outputCycles;
}
