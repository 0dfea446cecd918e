import type { ValueStatistics } from "./statistics.js";

/** How the range of an activation is chosen: from end to end, without outliers, of the least divergence or the least squared error. */
export type RangeMethod = "min-max" | "percentile" | "entropy" | "mse";
export const rangeMethods: readonly RangeMethod[] = ["min-max", "percentile", "entropy", "mse"];

/** Share of the numbers that `percentile` leaves outside at each end. */
const outside = 5e-5;

/** Lengths of ranges that are tried, in parts of the whole. */
const tried = 96;

const levels = 256;

/** The range that 8 bits shall cover. Numbers outside become its ends. */
export function chooseRange(statistics: ValueStatistics, method: RangeMethod): readonly [low: number, high: number] {
  const { low, high, histogram } = statistics;
  const total = histogram.reduce((a, b) => a + b, 0);
  if (method === "min-max" || total === 0 || !(high > low)) return [low, high];
  if (method === "percentile") return percentile(statistics, total);
  const cost = method === "mse" ? squaredError : divergence;
  let best: readonly [number, number] = [low, high];
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < tried; i++) {
    const part = 1 - (0.9 * i) / tried;
    const range = [low * part, high * part] as const;
    const value = cost(statistics, range);
    if (value < least) [least, best] = [value, range];
  }
  return best;
}

function percentile({ low, high, histogram }: ValueStatistics, total: number): readonly [number, number] {
  const width = (high - low) / histogram.length;
  const edge = (bins: Iterable<number>): number => {
    let sum = 0;
    let count = 0;
    for (const bin of bins) {
      sum += bin;
      if (sum > outside * total) break;
      count++;
    }
    return count;
  };
  const [below, above] = [edge(histogram), edge([...histogram].reverse())];
  return [low < 0 ? low + below * width : low, high > 0 ? high - above * width : high];
}

/** Σ (x − rounded x)²: of what is inside a twelfth of the step squared, of what is outside its distance. */
function squaredError({ low, high, histogram }: ValueStatistics, [from, to]: readonly [number, number]): number {
  const width = (high - low) / histogram.length;
  const step = (Math.max(to, 0) - Math.min(from, 0)) / (levels - 1);
  let sum = 0;
  for (let i = 0; i < histogram.length; i++) {
    if (histogram[i] === 0) continue;
    const x = low + (i + 0.5) * width;
    const distance = x < from ? from - x : x > to ? x - to : 0;
    sum += histogram[i]! * (distance === 0 ? (step * step) / 12 : distance * distance);
  }
  return sum;
}

/**
 * Kullback-Leibler divergence of the numbers rounded to 256 levels from the numbers clipped to the range, as TensorRT's calibration has it (Migacz,
 * GTC 2017): what is outside counts to the ends; within each level the mass lies evenly on the bins that have any.
 */
function divergence({ low, high, histogram }: ValueStatistics, [from, to]: readonly [number, number]): number {
  const width = (high - low) / histogram.length;
  const first = Math.max(0, Math.floor((from - low) / width));
  const last = Math.min(histogram.length, Math.max(first + levels, Math.ceil((to - low) / width)));
  const inside = histogram.slice(first, last);
  const clipped = inside.slice();
  for (let i = 0; i < first; i++) clipped[0] = clipped[0]! + histogram[i]!;
  for (let i = last; i < histogram.length; i++) clipped[clipped.length - 1] = clipped.at(-1)! + histogram[i]!;
  const [p, q] = [clipped.reduce((a, b) => a + b, 0), inside.reduce((a, b) => a + b, 0)];
  if (q === 0) return Number.POSITIVE_INFINITY;
  let sum = 0;
  for (let level = 0; level < levels; level++) {
    const begin = Math.floor((level * inside.length) / levels);
    const end = Math.floor(((level + 1) * inside.length) / levels);
    let [mass, filled] = [0, 0];
    for (let i = begin; i < end; i++) {
      mass += inside[i]!;
      if (inside[i]! > 0) filled++;
    }
    for (let i = begin; i < end; i++) {
      if (clipped[i] === 0) continue;
      // A bin that only the clipped numbers fill has the smallest mass there is.
      const there = inside[i]! > 0 ? mass / filled : 1;
      sum += (clipped[i]! / p) * Math.log(clipped[i]! / p / (there / q));
    }
  }
  return sum;
}
