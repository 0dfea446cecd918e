import { ShapeError } from "../core/errors.js";

/**
 * Exact mean and variance by channel of all rows ever pushed, however they were cut into batches: the incremental mean
 * mean ← mean + (x − mean) / n with Welford's sum of squared deviations, two of them merged by the formula of Chan,
 * Golub and LeVeque (1979). Float64 throughout; no row is kept.
 */
export class RunningStats {
  /** Length of the rows. */
  readonly channels: number;
  #count = 0;
  readonly #mean: Float64Array;
  /** Σ (x − mean)² by channel. */
  readonly #m2: Float64Array;

  constructor(channels: number) {
    if (!Number.isInteger(channels) || channels < 1) {
      throw new ShapeError({ expected: "a positive number of channels", received: String(channels) });
    }
    this.channels = channels;
    this.#mean = new Float64Array(channels);
    this.#m2 = new Float64Array(channels);
  }

  /** Number of rows so far. */
  get count(): number {
    return this.#count;
  }

  /** [channels]; zeros before the first row. */
  get mean(): Float64Array {
    return this.#mean.slice();
  }

  /**
   * [channels].
   * @param unbiased divides by count − 1 instead of count, as PyTorch's running variance does.
   * @returns NaN where there are too few rows: none, or one and `unbiased`.
   */
  variance(unbiased = false): Float64Array {
    const divisor = this.#count - (unbiased ? 1 : 0);
    return this.#m2.map((sum) => (divisor > 0 ? sum / divisor : Number.NaN));
  }

  /**
   * Adds rows.
   * @param rows [n][channels], row-major: NHWC activations are n = N·H·W rows.
   * @throws ShapeError when the values do not fill whole rows.
   */
  push(rows: ArrayLike<number>): this {
    const { channels } = this;
    if (rows.length % channels !== 0) {
      throw new ShapeError({ expected: `rows of ${channels} values`, received: `${rows.length} values` });
    }
    for (let start = 0; start < rows.length; start += channels) {
      this.#count++;
      for (let c = 0; c < channels; c++) {
        const x = rows[start + c]!;
        const delta = x - this.#mean[c]!;
        this.#mean[c]! += delta / this.#count;
        this.#m2[c]! += delta * (x - this.#mean[c]!);
      }
    }
    return this;
  }

  /** Adds all rows that `other` has seen. @throws ShapeError for another number of channels. */
  merge(other: RunningStats): this {
    return this.pushMoments(other.#count, other.#mean, other.#m2);
  }

  /**
   * Adds `count` rows of which only the moments are known.
   * @param mean [channels]
   * @param m2 [channels]: Σ (x − mean)², that is count times the biased variance.
   */
  pushMoments(count: number, mean: ArrayLike<number>, m2: ArrayLike<number>): this {
    if (mean.length !== this.channels || m2.length !== this.channels) {
      throw new ShapeError({ expected: `statistics of ${this.channels} channels`, received: `${mean.length}` });
    }
    if (count === 0) return this;
    const total = this.#count + count;
    for (let c = 0; c < this.channels; c++) {
      const delta = mean[c]! - this.#mean[c]!;
      this.#mean[c]! += (delta * count) / total;
      this.#m2[c]! += m2[c]! + (delta * delta * this.#count * count) / total;
    }
    this.#count = total;
    return this;
  }
}
