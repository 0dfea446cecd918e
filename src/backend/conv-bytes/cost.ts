import { type ConvGeometry, convMacs, convOutHeight, convOutWidth } from "../../core/conv-geometry.js";
import { ceilDiv, madeRows } from "../conv/target.js";
import type { ByteConvAlgorithm, ByteConvTarget } from "./contract.js";
import { groupWords, igemmBytesShape } from "./igemm.js";
import { byteWinogradKinds, doesWinogradBytes, pairCycles, winogradBytesBlocks } from "./winograd.js";

/** About how long an algorithm takes on its busiest thread. Compare costs of one convolution only. */
export interface ByteConvCost {
  readonly algorithm: ByteConvAlgorithm;
  readonly cycles: number;
}

/** Measured: cycles of a micro-tile to begin a tap and to finish a panel (sums, scale, store). */
const tapCycles = 8;
const panelCycles = 80;

/** Cycles of a vector of products of words of 4 bytes. */
const quadCycles = (target: ByteConvTarget) => (target.multipliesBytes ? 0.5 : 2.5 * pairCycles(target));

/** Of all algorithms that can do a convolution: of the geometry, of what the machine multiplies fast, and of how large the weights' sums are. */
export function byteConvCosts(g: ConvGeometry, target: ByteConvTarget, largestSum: number): readonly ByteConvCost[] {
  const costs: ByteConvCost[] = [{ algorithm: "igemm", cycles: igemmCycles(g, target) }];
  for (const kind of byteWinogradKinds) {
    if (!doesWinogradBytes(g, kind, target, largestSum)) continue;
    costs.push({ algorithm: kind.name, cycles: winogradBytesBlocks(g, kind, target).cycles });
  }
  // Every product once, in channels as lanes: where it applies nothing else comes near.
  if (g.groups === g.inChannels && g.groups === g.outChannels)
    costs.push({ algorithm: "depthwise", cycles: convMacs(g) / (2 * target.lanes) / target.threads });
  return costs;
}

function igemmCycles(g: ConvGeometry, target: ByteConvTarget): number {
  const positions = g.batch * convOutHeight(g) * convOutWidth(g);
  const panels = g.groups * ceilDiv(g.outChannels / g.groups, target.panelColumns);
  const taps = g.kernelHeight * g.kernelWidth;
  const words = madeRows(positions, target) * taps * groupWords(g);
  const products = words * panels * (target.panelColumns / target.lanes) * quadCycles(target);
  const begun = igemmBytesShape(g, target).gather ? 1 : taps;
  const around = ceilDiv(positions, target.microRows) * panels * (begun * tapCycles + panelCycles);
  return (products + around) / target.threads;
}
