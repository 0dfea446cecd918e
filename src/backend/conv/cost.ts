import type { ConvGeometry } from "../../core/conv-geometry.js";
import { igemmShape } from "./igemm.js";
import { type ConvTarget, ceilDiv, madeRows, roundUp } from "./target.js";
import { gemmShape } from "./weight-gradient.js";
import { backwardDataWindows, type ConvWindow, forwardWindow, insideShare } from "./window.js";
import {
  forwardProblem,
  productShare,
  type WinogradKind,
  type WinogradProblem,
  winogradBlocks,
  winogradTiles,
} from "./winograd.js";
import { winogradGradientBlocks } from "./winograd-weight-gradient.js";

/**
 * The cost model: what an algorithm multiplies and about how long it takes. One multiply-add of two vectors a cycle is
 * what the micro-kernels reach; everything beside them has a measured price. Compare costs of one convolution only:
 * memory that all algorithms read alike is not in them.
 */
export interface ConvCost {
  /** Products that are made, whole micro-tiles counted (but at the edges of Winograd's tiles), padding that is skipped not. */
  readonly multiplications: number;
  /** Estimated time of the busiest thread. */
  readonly cycles: number;
}

/** Measured: cycles of a micro-tile to begin a tap and to finish a panel (sums, bias, store). */
const tapCycles = 8;
const panelCycles = 40;

export function igemmForwardCost(g: ConvGeometry, target: ConvTarget): ConvCost {
  return windowCost(forwardWindow(g).window, g.groups, target);
}

export function igemmBackwardDataCost(g: ConvGeometry, target: ConvTarget): ConvCost {
  const costs = backwardDataWindows(g).map(({ window }) => windowCost(window, g.groups, target));
  return {
    multiplications: costs.reduce((sum, cost) => sum + cost.multiplications, 0),
    cycles: costs.reduce((sum, cost) => sum + cost.cycles, 0),
  };
}

function windowCost(w: ConvWindow, groups: number, target: ConvTarget): ConvCost {
  const positions = w.batch * w.grid_height * w.grid_width;
  const tiles = ceilDiv(positions, target.microRows);
  const panels = groups * ceilDiv(w.out_channels / groups, target.panelColumns);
  const shape = igemmShape(w, groups, target);
  const taps = w.taps_y * w.taps_x * (shape.batch_inner ? insideShare(w) : 1);
  const multiplications = madeRows(positions, target) * taps * (w.in_channels / groups) * panels * target.panelColumns;
  const around = tiles * panels * ((shape.gather ? 1 : taps) * tapCycles + panelCycles);
  return { multiplications, cycles: (multiplications / (2 * target.lanes) + around) / target.threads };
}

export function winogradCost(problem: WinogradProblem, kind: WinogradKind, target: ConvTarget): ConvCost {
  const { groups, inputs, outputs } = problem;
  const columns = roundUp(outputs, target.panelColumns);
  const tiles = madeRows(winogradTiles(problem, kind), target);
  return {
    multiplications: tiles * kind.points ** 2 * productShare(problem, kind) * groups * inputs * columns,
    cycles: winogradBlocks(problem, kind, target).cycles,
  };
}

export function gemmBackwardWeightCost(g: ConvGeometry, target: ConvTarget): ConvCost {
  const { window } = forwardWindow(g);
  const shape = gemmShape(g, target);
  const inputs = roundUp(g.inChannels / g.groups, target.microRows);
  const columns = roundUp(g.outChannels / g.groups, target.panelColumns);
  const positions = window.batch * window.grid_height * window.grid_width;
  const taps = window.taps_y * window.taps_x;
  const multiplications = positions * insideShare(window) * taps * g.groups * inputs * columns;
  // Each block of the result packs its operands anew: about a cycle a word.
  const packed = positions * g.groups * (inputs * ceilDiv(columns, shape.block_panels * target.panelColumns) + columns);
  const packings = ceilDiv(g.kernelHeight, shape.block_kernel_rows);
  return { multiplications, cycles: (multiplications / (2 * target.lanes) + packed * packings) / target.threads };
}

/** Measured: cycles to read a word of the products and make taps of it. */
const productCycles = 0.5;

export function winogradBackwardWeightCost(g: ConvGeometry, kind: WinogradKind, target: ConvTarget): ConvCost {
  const kernels =
    roundUp(g.inChannels / g.groups, target.microRows) *
    roundUp(g.outChannels / g.groups, target.panelColumns) *
    g.groups;
  const problem = forwardProblem(g);
  const multiplications = winogradTiles(problem, kind) * productShare(problem, kind) * kind.points ** 2 * kernels;
  const finish = (kind.kernelPoints ** 2 * kernels * productCycles) / target.threads;
  return { multiplications, cycles: winogradGradientBlocks(g, kind, target).cycles + finish };
}
