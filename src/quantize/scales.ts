import { roundHalfEven } from "../core/rounding.js";

/** How unsigned 8-bit numbers stand for an activation's: x = (q − zero) · scale. */
export interface ActivationScale {
  readonly scale: number;
  /** 0 to 255. */
  readonly zero: number;
}

/** The smallest scale that is written: products of two stay normal numbers of float32. */
const smallestScale = 2 ** -40;

/** The scale whose numbers cover a range, widened to hold 0, which paddings and ReLUs need exactly. */
export function activationScale([low, high]: readonly [number, number], levels = 255): ActivationScale {
  const [from, to] = [Math.min(low, 0), Math.max(high, 0)];
  const scale = Math.max(Math.fround((to - from) / levels), smallestScale);
  return { scale, zero: Math.min(levels, Math.max(0, roundHalfEven(-from / scale))) };
}

/** The largest whole number of so many bits, used with both signs: −128 is left out so that kernels may pair products. */
export const largestOf = (bits: number): number => 2 ** (bits - 1) - 1;

/**
 * Scale of one output channel's weights.
 * @param search look for the scale of the smallest squared error below the one that holds the largest weight
 * @param importance of the error of each weight (mean square of what it is multiplied with); default all the same
 */
export function weightScale(row: Float64Array, bits: number, search: boolean, importance?: Float64Array): number {
  const most = largestOf(bits);
  let largest = 0;
  for (const weight of row) largest = Math.max(largest, Math.abs(weight));
  const whole = largest / most;
  if (!search || whole === 0) return floored(whole);
  let best = whole;
  let least = Number.POSITIVE_INFINITY;
  for (let factor = 1; factor > 0.35; factor -= 0.02) {
    const error = roundingError(row, whole * factor, most, importance);
    if (error < least) [least, best] = [error, whole * factor];
  }
  return floored(best);
}

const floored = (scale: number): number => Math.max(Math.fround(scale), smallestScale);

/** Σ importance · (w − rounded w)² */
function roundingError(row: Float64Array, scale: number, most: number, importance?: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < row.length; i++) {
    const rounded = Math.min(most, Math.max(-most, Math.round(row[i]! / scale)));
    sum += (importance ? importance[i]! : 1) * (row[i]! - rounded * scale) ** 2;
  }
  return sum;
}

/** Weights as whole numbers: [outputs][inputs] as the rows, one scale an output. */
export interface QuantizedWeights {
  readonly values: Int8Array;
  readonly scales: Float64Array;
}

/** Every weight to the nearest whole number. @param scales one an output channel */
export function nearestWeights(rows: Float64Array, scales: Float64Array, bits: number): QuantizedWeights {
  const most = largestOf(bits);
  const inputs = rows.length / scales.length;
  const values = Int8Array.from(rows, (weight, i) =>
    Math.min(most, Math.max(-most, roundHalfEven(weight / scales[Math.floor(i / inputs)]!))),
  );
  return { values, scales };
}

/** What the whole numbers stand for. */
export function dequantizedRows({ values, scales }: QuantizedWeights): Float64Array {
  const inputs = values.length / scales.length;
  return Float64Array.from(values, (value, i) => value * scales[Math.floor(i / inputs)]!);
}

/** Scales of a layer's output channels; one for all where they are not told apart. */
export function weightScales(
  rows: Float64Array,
  outputs: number,
  options: {
    readonly bits: number;
    readonly perChannel: boolean;
    readonly search: boolean;
    readonly importance?: (output: number) => Float64Array | undefined;
  },
): Float64Array {
  const { bits, perChannel, search, importance } = options;
  if (!perChannel) return new Float64Array(outputs).fill(weightScale(rows, bits, search));
  const inputs = rows.length / outputs;
  return Float64Array.from({ length: outputs }, (_, o) =>
    weightScale(rows.subarray(o * inputs, (o + 1) * inputs), bits, search, importance?.(o)),
  );
}

/** Signal to noise, in decibels: 10 log₁₀(Σ x² / Σ (x − y)²). Infinite where nothing differs. */
export function decibels(signal: number, noise: number): number {
  return noise === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10(signal / noise);
}
