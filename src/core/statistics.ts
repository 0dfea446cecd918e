/** The smallest and the largest of any number of numbers (a spread argument list is bounded by the stack). [∞, −∞] for none. */
export function extremes(values: Iterable<number>): [smallest: number, largest: number] {
  let [smallest, largest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    smallest = Math.min(smallest, value);
    largest = Math.max(largest, value);
  }
  return [smallest, largest];
}

/** The p-quantile (0 … 1) of numbers in any order, interpolated between neighbours. NaN for none. */
export function quantile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const position = p * (sorted.length - 1);
  const below = Math.floor(position);
  const [low = Number.NaN, high = low] = [sorted[below], sorted[Math.ceil(position)]];
  return low + (high - low) * (position - below);
}

/** The middle half of some measurements. */
export interface Quartiles {
  readonly median: number;
  readonly lowerQuartile: number;
  readonly upperQuartile: number;
}

/** Median and quartiles of numbers in any order; see {@link quantile}. */
export function quartiles(values: readonly number[]): Quartiles {
  const [lowerQuartile, median, upperQuartile] = [0.25, 0.5, 0.75].map((p) => quantile(values, p)) as [
    number,
    number,
    number,
  ];
  return { median, lowerQuartile, upperQuartile };
}
