import type { ConvGeometry } from "../../core/conv-geometry.js";
import type { KernelCall } from "../backend.js";
import { type ConvBuffers, type ConvPlan, changesEverything } from "../convolution.js";
import {
  blockLength,
  type ConvTarget,
  ceilDiv,
  checkScratch,
  packedWordsOf,
  packingLimit,
  roundUp,
  scratchWords,
  tapWords,
} from "./target.js";
import { backwardDataWindows, type ConvPhase, type ConvWindow, forwardWindow, insideShare } from "./window.js";

/** Below so many inputs of a group, the inputs of all taps are gathered into one row: short loops over inputs are slow. */
const gatherBelowInputs = 12;

/** Rows of a task: enough to make good use of a panel of weights that is read from L2. */
const blockRows = 64;

/** Batches from here on are worth the order that skips padding, where it skips at least a tenth. */
const batchInnerFrom = 4;
const batchInnerShare = 0.9;

/** Any convolution's forward pass as an implicit matrix product. */
export function igemmForward(g: ConvGeometry, target: ConvTarget): ConvPlan {
  return igemmPlan(g, [forwardWindow(g)], 0, target);
}

/** Any convolution's gradient of the input: an implicit matrix product for each phase of the stride. */
export function igemmBackwardData(g: ConvGeometry, target: ConvTarget): ConvPlan {
  return igemmPlan(g, backwardDataWindows(g), 1, target);
}

function igemmPlan(g: ConvGeometry, phases: readonly ConvPhase[], transposed: 0 | 1, target: ConvTarget): ConvPlan {
  const parts: { phase: ConvPhase; shape: ReturnType<typeof igemmShape>; at: number }[] = [];
  let packedWords = 0;
  for (const phase of phases) {
    parts.push({ phase, shape: igemmShape(phase.window, g.groups, target), at: packedWords });
    packedWords += packedWordsOf(igemmWeights(phase.window, g.groups, target), target);
  }
  const halves = target.halfWeights ? 1 : 0;
  return {
    algorithm: "igemm",
    packedWords,
    ...packingLimit(target),
    workspaceWords: 0,
    pack: (weight, packed) =>
      parts
        .filter(({ phase }) => phase.window.taps_y > 0)
        .map(({ phase, at }) => ({
          kernel: "conv_pack",
          args: {
            weight,
            packed: packed + at,
            in_channels: g.inChannels,
            out_channels: g.outChannels,
            groups: g.groups,
            kernel_width: g.kernelWidth,
            taps_y: phase.window.taps_y,
            taps_x: phase.window.taps_x,
            ...phase.taps,
            transposed,
            halves,
          },
        })),
    run: (at: ConvBuffers): KernelCall[] =>
      parts
        .filter(({ phase }) => phase.window.taps_y > 0 || changesEverything(at))
        .map(({ phase, shape, at: offset }) => ({
          kernel: "conv_igemm_forward",
          args: {
            x: at.input,
            packed: at.packed + offset,
            bias: at.bias ?? 0,
            y: at.output,
            ...phase.window,
            ...shape,
            halves,
            groups: g.groups,
            relu: at.relu ? 1 : 0,
            accumulate: at.accumulate ? 1 : 0,
          },
        })),
  };
}

/** Packed weights, the columns that fill up panels included. */
function igemmWeights(w: ConvWindow, groups: number, target: ConvTarget): number {
  const columns = groups * roundUp(w.out_channels / groups, target.panelColumns);
  return w.taps_y * w.taps_x * (w.in_channels / groups) * columns;
}

/** True where a micro-tile of this window skips the taps that lie outside (see `batch_inner`). */
export function igemmSkipsPadding(w: ConvWindow): boolean {
  return w.batch >= batchInnerFrom && insideShare(w) < batchInnerShare;
}

/** How a window's work is cut, and in which order. */
export function igemmShape(w: ConvWindow, groups: number, target: ConvTarget) {
  const taps = w.taps_y * w.taps_x;
  const inputs = w.in_channels / groups;
  const gather = inputs < gatherBelowInputs && taps > 1;
  const rows = w.batch * w.grid_height * w.grid_width;
  // In words, of a tile: its rows' addresses, gathered inputs and sums; or its record and its taps, and once for all a row of zeros.
  const tap = tapWords(target);
  const tileWords = gather ? target.microRows * (2 + taps * inputs + target.panelColumns) : tap + 6 + taps * tap;
  checkScratch(tileWords + inputs + 256);
  const maxTiles = Math.floor((scratchWords - inputs - 256) / tileWords);
  const tiles = Math.min(ceilDiv(rows, target.microRows), blockRows / target.microRows, maxTiles);
  const panels = ceilDiv(w.out_channels / groups, target.panelColumns);
  return {
    batch_inner: igemmSkipsPadding(w) ? 1 : 0,
    gather: gather ? 1 : 0,
    block_rows: tiles * target.microRows,
    block_panels: blockLength(panels, groups * ceilDiv(rows, tiles * target.microRows), target.threads),
  };
}
