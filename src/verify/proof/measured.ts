/** A value with what its rounding is measured by. */
export interface Measured {
  readonly shape: readonly number[];
  readonly value: Float64Array;
  /** At least the sum of the magnitudes of all terms that made each number: what the value would be if nothing cancelled. */
  readonly magnitude: Float64Array;
}
