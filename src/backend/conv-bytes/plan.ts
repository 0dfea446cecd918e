import { type ConvGeometry, checkConvGeometry } from "../../core/conv-geometry.js";
import { ShapeError } from "../../core/errors.js";
import { convSizes } from "../conv/sizes.js";
import type { ByteConvAlgorithm, ByteConvBuffers, ByteConvParts, ByteConvPlan, ByteConvTarget } from "./contract.js";
import { byteConvCosts } from "./cost.js";
import { depthwiseBytes } from "./depthwise.js";
import { igemmBytes } from "./igemm.js";
import { winogradBytes } from "./winograd.js";

export type { ByteConvAlgorithm, ByteConvBuffers, ByteConvPlan, ByteConvTarget, ByteRange } from "./contract.js";

/**
 * @param largestSum the largest Σ |w| over the outputs: of all weights that make one output channel. Some algorithms hold no more than so much.
 * @param algorithm one of {@link byteConvAlgorithms}; absent: the one that the cost model finds cheapest here
 * @throws ShapeError when the geometry has no output, or its smallest part no room; RangeError where the algorithm cannot do it: a bug
 */
export function planByteConv(
  g: ConvGeometry,
  target: ByteConvTarget,
  largestSum: number,
  algorithm: ByteConvAlgorithm = cheapest(g, target, largestSum),
): ByteConvPlan {
  checkConvGeometry(g);
  checkSum(largestSum);
  if (!byteConvAlgorithms(g, target, largestSum).includes(algorithm))
    throw new RangeError(`${algorithm} cannot do this convolution of bytes`);
  const parts = partsOf(g, target, algorithm);
  return {
    algorithm,
    packedWords: parts.packedWords,
    pack: parts.pack,
    run: (at) => [parts.run({ ...argumentsOf(at), ...sizesOf(g) })],
  };
}

/** The algorithms that can do a convolution, of weights whose largest sum of magnitudes this is. */
export function byteConvAlgorithms(
  g: ConvGeometry,
  target: ByteConvTarget,
  largestSum: number,
): readonly ByteConvAlgorithm[] {
  return byteConvCosts(g, target, largestSum).map(({ algorithm }) => algorithm);
}

/**
 * The largest Σ |w| of an output that any of the algorithms holds: 255 times it is half of an int32's range, and the other half is the bias's.
 */
export const largestWeightSum: number = Math.floor(2 ** 30 / 255);

function checkSum(largestSum: number): void {
  if (largestSum >= 0 && largestSum <= largestWeightSum) return;
  throw new ShapeError({
    expected: `weights of an output with a sum of magnitudes of at most ${largestWeightSum}`,
    received: `${largestSum}`,
    remedy: "keep this layer in float32",
  });
}

function cheapest(g: ConvGeometry, target: ByteConvTarget, largestSum: number): ByteConvAlgorithm {
  checkConvGeometry(g);
  checkSum(largestSum);
  // Of one picture and one thread, like algorithms of floats; but all of them give the same bits here.
  const costs = byteConvCosts({ ...g, batch: 1 }, { ...target, threads: 1 }, largestSum);
  return costs.reduce((best, cost) => (cost.cycles < best.cycles ? cost : best)).algorithm;
}

function argumentsOf(at: ByteConvBuffers) {
  const { zero, low, high } = at.bytes ?? { zero: 0, low: 0, high: 255 };
  return {
    x: at.input,
    packed: at.packed,
    bias: at.bias,
    multiplier: at.multiplier,
    residual: at.residual?.at ?? 0,
    y: at.output,
    x_zero: at.inputZero,
    y_zero: zero,
    low,
    high,
    residual_zero: at.residual?.zero ?? 0,
    residual_multiplier: at.residual?.multiplier ?? 0,
    floats: at.bytes ? 0 : 1,
  };
}

function sizesOf(g: ConvGeometry) {
  return {
    ...convSizes(g),
    pad_y: g.padTop,
    pad_x: g.padLeft,
  };
}

function partsOf(g: ConvGeometry, target: ByteConvTarget, algorithm: ByteConvAlgorithm): ByteConvParts {
  if (algorithm === "igemm") return igemmBytes(g, target);
  if (algorithm === "depthwise") return depthwiseBytes(g, target);
  return winogradBytes(g, algorithm, target);
}
