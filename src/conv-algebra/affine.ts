import { scaledKernel } from "./kernel.js";
import type { LinearMap } from "./linear-map.js";

/** y = scale·x + shift per channel. Arrays are [channels]. */
export interface Affine {
  readonly scale: Float64Array;
  readonly shift: Float64Array;
  /** Magnitude of the terms of each shift; see {@link LinearMap.biasScale}. */
  readonly shiftScale: Float64Array;
}

/** BatchNorm in inference mode: t = γ/√(σ² + ε), y = t·x + (β − t·μ) (Ioffe and Szegedy 2015, algorithm 2; RepVGG §3.3). */
export function batchNormAffine(statistics: {
  readonly gamma: ArrayLike<number>;
  readonly beta: ArrayLike<number>;
  readonly mean: ArrayLike<number>;
  readonly variance: ArrayLike<number>;
  readonly epsilon: number;
}): Affine {
  const { gamma, beta, mean, variance, epsilon } = statistics;
  const scale = Float64Array.from(gamma, (g, c) => g / Math.sqrt(variance[c] + epsilon));
  return {
    scale,
    shift: Float64Array.from(beta, (b, c) => b - scale[c] * mean[c]),
    shiftScale: Float64Array.from(beta, (b, c) => Math.abs(b) + Math.abs(scale[c] * mean[c])),
  };
}

/** y = scale·x + shift with plain constants; either may be left out. */
export function affine(channels: number, parts: { scale?: ArrayLike<number>; shift?: ArrayLike<number> }): Affine {
  const scale = parts.scale ? Float64Array.from(parts.scale) : new Float64Array(channels).fill(1);
  const shift = parts.shift ? Float64Array.from(parts.shift) : new Float64Array(channels);
  return { scale, shift, shiftScale: shift.map(Math.abs) };
}

/** affine ∘ map: W′ = s·W, b′ = s·b + t, row by row. Always exact. */
export function applyAffine(map: LinearMap, { scale, shift, shiftScale }: Affine): LinearMap {
  return {
    ...map,
    kernel: scaledKernel(map.kernel, scale),
    bias: map.bias.map((b, o) => scale[o] * b + shift[o]),
    biasScale: map.biasScale.map((b, o) => Math.abs(scale[o]) * b + shiftScale[o]),
  };
}
