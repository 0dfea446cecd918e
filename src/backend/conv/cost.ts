import { type ConvGeometry, convMacs } from "../../core/conv-geometry.js";
import type { ConvTarget } from "./target.js";
import { ceilDiv, microRows, roundUp } from "./target.js";
import { backwardDataWindows, type ConvWindow, forwardWindow, insideShare } from "./window.js";
import { igemmSkipsPadding } from "./igemm.js";
import { backwardDataProblem, forwardProblem, type WinogradSize, winogradBlocks, winogradTiles } from "./winograd.js";

export interface ConvCost {
  /** Products that the algorithm makes, rounding to whole micro-tiles included. */
  readonly multiplications: number;
  /** Estimated time of the busiest thread. */
  readonly cycles: number;
}

/** What an algorithm does for a forward or backward-data convolution. */
export function convCost(g: ConvGeometry, role: string, algorithm: string, target: ConvTarget): ConvCost {
  if (role === "backward-weight") return { multiplications: convMacs(g), cycles: convMacs(g) };
  const forward = role === "forward";
  if (algorithm === "winograd2" || algorithm === "winograd4") {
    const m: WinogradSize = algorithm === "winograd2" ? 2 : 4;
    const problem = forward ? forwardProblem(g) : backwardDataProblem(g);
    const columns = roundUp(problem.outputs, target.panelColumns);
    return {
      multiplications: winogradTiles(problem, m) * (m + 2) ** 2 * problem.groups * problem.inputs * columns,
      cycles: winogradBlocks(problem, m, target).cycles,
    };
  }
  const windows = (forward ? [forwardWindow(g)] : backwardDataWindows(g)).map(({ window }) => window);
  const multiplications = windows.reduce((sum, window) => sum + windowMultiplications(window, g.groups, target), 0);
  return { multiplications, cycles: multiplications / (2 * target.lanes) / target.threads };
}

function windowMultiplications(w: ConvWindow, groups: number, target: ConvTarget): number {
  const rows = roundUp(w.batch * w.grid_height * w.grid_width, microRows);
  const columns = groups * ceilDiv(w.out_channels / groups, target.panelColumns) * target.panelColumns;
  const share = igemmSkipsPadding(w) ? insideShare(w) : 1;
  return share * rows * w.taps_y * w.taps_x * (w.in_channels / groups) * columns;
}
