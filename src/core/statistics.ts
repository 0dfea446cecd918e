/** The p-quantile (0 … 1) of numbers in any order, interpolated between neighbours. NaN for none. */
export function quantile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const position = p * (sorted.length - 1);
  const below = Math.floor(position);
  const [low = Number.NaN, high = low] = [sorted[below], sorted[Math.ceil(position)]];
  return low + (high - low) * (position - below);
}
