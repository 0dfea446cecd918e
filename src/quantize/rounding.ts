import type { GroupStatistics } from "./layer-samples.js";
import { largestOf } from "./scales.js";

/** Weights of more inputs are rounded by flips alone: a triangular factor costs the third power. */
const mostFactored = 4608;

/** Sweeps over all weights of a channel; most end after three. */
const mostSweeps = 24;

/** Part of the mean variance that every input counts more, towards the float weights: samples are few. */
const damping = 0.01;

/**
 * Rounding by what a layer gives: AdaRound's objective (Nagel et al., arXiv 2004.10568), the squared error of the layer's output on the calibration pictures
 * with the quantized net's own inputs, over the choices of each weight between the whole numbers around it. The paper relaxes the choices to sigmoids and
 * descends by Adam on samples; the objective is a quadratic form of the weights' errors (its equation 13), and where that form is kept as a matrix it can be
 * minimized over whole numbers themselves: from a triangular factor, coordinate by coordinate with the errors so far made up for, then by single flips
 * until none gains. The better of two starts (that and the nearest numbers) is kept, so that no channel is worse than by rounding to nearest. No random
 * numbers, no step sizes.
 */
export class Rounding {
  readonly #size: number;
  readonly #matrix: Float64Array;
  readonly #pull: number;
  readonly #factor: Float64Array | undefined;

  constructor(private readonly statistics: GroupStatistics) {
    const size = statistics.meanX.length;
    this.#size = size;
    const matrix = statistics.covarianceX.slice();
    let trace = 0;
    for (let i = 0; i < size; i++) trace += matrix[i * size + i]!;
    // Inputs that never vary have no weight in the error: the pull alone keeps theirs at the nearest.
    this.#pull = Math.max((damping * trace) / size, Number.MIN_VALUE * 2 ** 200);
    for (let i = 0; i < size; i++) matrix[i * size + i] = matrix[i * size + i]! + this.#pull;
    this.#matrix = matrix;
    this.#factor = size <= mostFactored ? cholesky(matrix, size) : undefined;
  }

  /** How much an error of each weight counts. */
  get importance(): Float64Array {
    return Float64Array.from({ length: this.#size }, (_, i) => this.#matrix[i * this.#size + i]!);
  }

  /** Whole numbers for one output channel's weights. @param output in the group */
  round(row: Float64Array, scale: number, bits: number, output: number): Int8Array {
    const most = largestOf(bits);
    const clamp = (value: number): number => Math.min(most, Math.max(-most, value));
    const low = Float64Array.from(row, (weight) => clamp(Math.floor(weight / scale)));
    const high = Float64Array.from(low, (value) => clamp(value + 1));
    const aim = this.#aim(row, output);
    const nearest = Float64Array.from(row, (weight, i) => (weight / scale - low[i]! > 0.5 ? high[i]! : low[i]!));
    const starts: Float64Array[] = [nearest];
    if (this.#factor) starts.push(this.#compensated(this.#factor, aim, scale, low, high));
    const ends = starts.map((start) => this.#descend(start, aim, scale, low, high));
    return Int8Array.from(ends.reduce((best, end) => (end.error < best.error ? end : best)).values);
  }

  /** C = cov(x, y) + pull · w: what H w̃ ought to be. */
  #aim(row: Float64Array, output: number): Float64Array {
    const { covarianceXY, meanY } = this.statistics;
    return row.map((weight, i) => covarianceXY[i * meanY.length + output]! + this.#pull * weight);
  }

  /** From the last weight to the first, each at what is best for it after those behind it were rounded. */
  #compensated(
    factor: Float64Array,
    aim: Float64Array,
    scale: number,
    low: Float64Array,
    high: Float64Array,
  ): Float64Array {
    const n = this.#size;
    const best = solved(factor, aim, n);
    const moved = new Float64Array(n);
    const values = new Float64Array(n);
    for (let k = n - 1; k >= 0; k--) {
      const diagonal = factor[k * n + k]!;
      const wanted = (best[k]! - moved[k]! / diagonal) / scale;
      values[k] = wanted - low[k]! > 0.5 ? high[k]! : low[k]!;
      const error = values[k]! * scale - best[k]!;
      for (let j = 0; j < k; j++) moved[j] = moved[j]! + factor[k * n + j]! * error;
    }
    return values;
  }

  /** Flips single weights between their two numbers while that gains. @returns also the error, but for a constant */
  #descend(
    start: Float64Array,
    aim: Float64Array,
    scale: number,
    low: Float64Array,
    high: Float64Array,
  ): { readonly values: Float64Array; readonly error: number } {
    const n = this.#size;
    const matrix = this.#matrix;
    const values = start.slice();
    const gradient = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      let sum = -aim[i]!;
      for (let j = 0; j < n; j++) sum += matrix[i * n + j]! * values[j]! * scale;
      gradient[i] = sum;
    }
    for (let sweep = 0; sweep < mostSweeps; sweep++) {
      let flips = 0;
      for (let i = 0; i < n; i++) {
        const other = values[i] === low[i] ? high[i]! : low[i]!;
        const step = (other - values[i]!) * scale;
        if (step === 0 || 2 * step * gradient[i]! + step * step * matrix[i * n + i]! >= 0) continue;
        values[i] = other;
        for (let j = 0; j < n; j++) gradient[j] = gradient[j]! + step * matrix[i * n + j]!;
        flips++;
      }
      if (flips === 0) break;
    }
    // w̃ᵀ H w̃ − 2 w̃ᵀ c = w̃ᵀ (gradient − c)
    let error = 0;
    for (let i = 0; i < n; i++) error += values[i]! * scale * (gradient[i]! - aim[i]!);
    return { values, error };
  }
}

/** L of H = L Lᵀ, row by row; undefined where rounding has made H lose its definiteness. */
function cholesky(matrix: Float64Array, n: number): Float64Array | undefined {
  const factor = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    const row = i * n;
    for (let j = 0; j <= i; j++) {
      const other = j * n;
      let sum = matrix[row + j]!;
      for (let k = 0; k < j; k++) sum -= factor[row + k]! * factor[other + k]!;
      if (i !== j) factor[row + j] = sum / factor[other + j]!;
      else if (sum > 0) factor[row + i] = Math.sqrt(sum);
      else return undefined;
    }
  }
  return factor;
}

/** The solution of L Lᵀ x = b. */
function solved(factor: Float64Array, b: Float64Array, n: number): Float64Array {
  const x = b.slice();
  for (let i = 0; i < n; i++) {
    let sum = x[i]!;
    for (let j = 0; j < i; j++) sum -= factor[i * n + j]! * x[j]!;
    x[i] = sum / factor[i * n + i]!;
  }
  for (let i = n - 1; i >= 0; i--) {
    x[i] = x[i]! / factor[i * n + i]!;
    for (let j = 0; j < i; j++) x[j] = x[j]! - factor[i * n + j]! * x[i]!;
  }
  return x;
}
