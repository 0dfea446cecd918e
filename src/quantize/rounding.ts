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
 * until none gains. Where that is worse than the nearest numbers the flips begin from those, so that no channel is worse than by rounding to nearest. No
 * random numbers, no step sizes.
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

  /**
   * Whole numbers for the weights of output channels of the group.
   * @param rows one channel's weights after the other, of as many channels as there are scales: the group's, in order
   */
  round(rows: Float64Array, scales: Float64Array, bits: number): Int8Array {
    const n = this.#size;
    const values = new Int8Array(rows.length);
    for (let first = 0; first < scales.length; first += blockRows) {
      const last = Math.min(scales.length, first + blockRows);
      const channels = Array.from({ length: last - first }, (_, i) => {
        const o = first + i;
        return this.#channel(rows.subarray(o * n, (o + 1) * n), scales[o]!, bits, o);
      });
      for (const [i, rounded] of this.#block(channels).entries()) values.set(rounded, (first + i) * n);
    }
    return values;
  }

  #channel(row: Float64Array, scale: number, bits: number, output: number): Channel {
    const most = largestOf(bits);
    const clamp = (value: number): number => Math.min(most, Math.max(-most, value));
    const low = Float64Array.from(row, (weight) => clamp(Math.floor(weight / scale)));
    const high = Float64Array.from(low, (value) => clamp(value + 1));
    const nearest = Float64Array.from(row, (weight, i) => (weight / scale - low[i]! > 0.5 ? high[i]! : low[i]!));
    // cov(x, y) + pull · w: what H w̃ ought to be.
    const { covarianceXY, meanY } = this.statistics;
    const aim = Float64Array.from(row, (weight, i) => covarianceXY[i * meanY.length + output]! + this.#pull * weight);
    return { scale, low, high, nearest, aim };
  }

  /** Channels together: every row of the matrices is fetched once for all of them. */
  #block(channels: readonly Channel[]): Float64Array[] {
    const nearest = channels.map((channel) => channel.nearest);
    const [near, better] = [nearest, this.#factor ? this.#compensated(this.#factor, channels) : nearest];
    const [gradients, others] = [this.#gradients(channels, better), this.#gradients(channels, near)];
    return channels.map((channel, i) => {
      const start = better[i]!;
      const limit = errorOf(channel, near[i]!, others[i]!);
      this.#descend(channel, start, gradients[i]!);
      if (errorOf(channel, start, gradients[i]!) <= limit || start === near[i]) return start;
      this.#descend(channel, near[i]!, others[i]!);
      return near[i]!;
    });
  }

  /** From the last weight to the first, each at what is best for it after those behind it were rounded. */
  #compensated(factor: Float64Array, channels: readonly Channel[]): Float64Array[] {
    const n = this.#size;
    const best = solved(
      factor,
      channels.map(({ aim }) => aim),
      n,
    );
    const moved = channels.map(() => new Float64Array(n));
    const values = channels.map(() => new Float64Array(n));
    for (let k = n - 1; k >= 0; k--) {
      const row = k * n;
      const diagonal = factor[row + k]!;
      for (let c = 0; c < channels.length; c++) {
        const { scale, low, high } = channels[c]!;
        const own = moved[c]!;
        const wanted = best[c]![k]! - own[k]! / diagonal;
        const value = wanted / scale - low[k]! > 0.5 ? high[k]! : low[k]!;
        values[c]![k] = value;
        const error = value * scale - best[c]![k]!;
        for (let j = 0; j < k; j++) own[j] = own[j]! + factor[row + j]! * error;
      }
    }
    return values;
  }

  /** H w̃ − c of each channel. */
  #gradients(channels: readonly Channel[], values: readonly Float64Array[]): Float64Array[] {
    const n = this.#size;
    const matrix = this.#matrix;
    const gradients = channels.map(() => new Float64Array(n));
    for (let i = 0; i < n; i++) {
      const row = i * n;
      for (let c = 0; c < channels.length; c++) {
        const own = values[c]!;
        let sum = 0;
        for (let j = 0; j < n; j++) sum += matrix[row + j]! * own[j]!;
        gradients[c]![i] = sum * channels[c]!.scale - channels[c]!.aim[i]!;
      }
    }
    return gradients;
  }

  /** Flips single weights between their two numbers while that gains. Values and gradient change. */
  #descend({ scale, low, high }: Channel, values: Float64Array, gradient: Float64Array): void {
    const n = this.#size;
    const matrix = this.#matrix;
    for (let sweep = 0; sweep < mostSweeps; sweep++) {
      let flips = 0;
      for (let i = 0; i < n; i++) {
        const other = values[i] === low[i] ? high[i]! : low[i]!;
        const step = (other - values[i]!) * scale;
        const row = i * n;
        if (step === 0 || 2 * step * gradient[i]! + step * step * matrix[row + i]! >= 0) continue;
        values[i] = other;
        for (let j = 0; j < n; j++) gradient[j] = gradient[j]! + step * matrix[row + j]!;
        flips++;
      }
      if (flips === 0) break;
    }
  }
}

/** One output channel: the numbers on both sides of each weight, and what is aimed at. */
interface Channel {
  readonly scale: number;
  readonly low: Float64Array;
  readonly high: Float64Array;
  readonly nearest: Float64Array;
  readonly aim: Float64Array;
}

/** Channels that are worked on together. */
const blockRows = 16;

/** w̃ᵀ H w̃ − 2 w̃ᵀ c = w̃ᵀ (gradient − c): the squared error but for a constant. */
function errorOf({ scale, aim }: Channel, values: Float64Array, gradient: Float64Array): number {
  let error = 0;
  for (let i = 0; i < values.length; i++) error += values[i]! * scale * (gradient[i]! - aim[i]!);
  return error;
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

/** The solutions of L Lᵀ x = b. */
function solved(factor: Float64Array, sides: readonly Float64Array[], n: number): Float64Array[] {
  const solutions = sides.map((side) => side.slice());
  for (let i = 0; i < n; i++) {
    const row = i * n;
    for (const x of solutions) {
      let sum = x[i]!;
      for (let j = 0; j < i; j++) sum -= factor[row + j]! * x[j]!;
      x[i] = sum / factor[row + i]!;
    }
  }
  for (let i = n - 1; i >= 0; i--) {
    const row = i * n;
    for (const x of solutions) {
      const own = x[i]! / factor[row + i]!;
      x[i] = own;
      for (let j = 0; j < i; j++) x[j] = x[j]! - factor[row + j]! * own;
    }
  }
  return solutions;
}
