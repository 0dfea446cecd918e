import { UserError } from "../core/errors.js";
import type { Graph } from "../graph/graph.js";
import { type CalibrationPictures, type GraphRunner, type RunValue, runOver, withOutputs } from "./runner.js";

/** Bins of a histogram: enough that a range chosen among their edges loses nothing at 8 bits. */
export const histogramBins = 2048;

/** What a value was on the calibration pictures. */
export interface ValueStatistics {
  readonly low: number;
  readonly high: number;
  /** By channel (axis 1). */
  readonly channelLow: Float64Array;
  readonly channelHigh: Float64Array;
  readonly channelMean: Float64Array;
  /**
   * Numbers by size between low and high. Exact zeros are in none: whatever the range, zero is rounded to itself, and half of a ReLU's numbers would
   * outweigh all others.
   */
  readonly histogram: Float64Array;
}

/**
 * Ranges, means and histograms of values of a graph on pictures, in two runs over them: the first finds the ranges.
 * @throws UserError naming the first value with numbers that are not finite
 */
export function observe(
  runner: GraphRunner,
  graph: Graph,
  pictures: CalibrationPictures,
  values: readonly string[],
  onBatch?: (done: number, total: number) => void,
): Map<string, ValueStatistics> {
  const inner = withOutputs(graph, values);
  const ranges = new Map<string, Ranges>();
  const total = 2 * pictures.batches.length;
  runOver(runner, inner, pictures, (run, batch, index) => {
    for (const name of values) addRanges(ranges, name, counted(run[name]!, batch.size));
    onBatch?.(index + 1, total);
  });
  const histograms = new Map(values.map((name) => [name, new Float64Array(histogramBins)]));
  runOver(runner, inner, pictures, (run, batch, index) => {
    for (const name of values) {
      const { low, high } = extent(ranges.get(name)!);
      addHistogram(histograms.get(name)!, low, high, counted(run[name]!, batch.size).data);
    }
    onBatch?.(pictures.batches.length + index + 1, total);
  });
  return new Map(
    values.map((name) => {
      const found = ranges.get(name)!;
      const channelMean = found.sum.map((sum, c) => sum / found.count[c]!);
      const statistics = { channelLow: found.low, channelHigh: found.high, channelMean };
      return [name, { ...extent(found), ...statistics, histogram: histograms.get(name)! }];
    }),
  );
}

/** The first pictures of a batch: what it was filled up with does not count. */
export function counted(value: RunValue, size: number): RunValue {
  const [batch = 1, ...shape] = value.shape;
  if (batch <= size) return value;
  return { shape: [size, ...shape], data: value.data.subarray(0, (value.data.length / batch) * size) };
}

interface Ranges {
  readonly low: Float64Array;
  readonly high: Float64Array;
  readonly sum: Float64Array;
  readonly count: Float64Array;
}

function extent({ low, high }: Ranges): { low: number; high: number } {
  return { low: low.reduce((a, b) => Math.min(a, b)), high: high.reduce((a, b) => Math.max(a, b)) };
}

function addRanges(ranges: Map<string, Ranges>, name: string, { shape, data }: RunValue): void {
  const channels = shape[1] ?? 1;
  const inner = shape.slice(2).reduce((a, b) => a * b, 1);
  let own = ranges.get(name);
  if (!own) {
    const filled = (value: number): Float64Array => new Float64Array(channels).fill(value);
    own = { low: filled(Infinity), high: filled(-Infinity), sum: filled(0), count: filled(0) };
    ranges.set(name, own);
  }
  for (let at = 0, c = 0; at < data.length; at += inner, c = (c + 1) % channels) {
    let [low, high, sum] = [own.low[c]!, own.high[c]!, 0];
    for (let i = at; i < at + inner; i++) {
      const value = data[i]!;
      if (value < low) low = value;
      if (value > high) high = value;
      sum += value;
    }
    if (!Number.isFinite(sum)) throw notFinite(name, data.subarray(at, at + inner));
    own.low[c] = low;
    own.high[c] = high;
    own.sum[c] = own.sum[c]! + sum;
    own.count[c] = own.count[c]! + inner;
  }
}

function notFinite(name: string, data: Float32Array): UserError {
  const value = data.find((x) => !Number.isFinite(x)) ?? Number.POSITIVE_INFINITY;
  return new UserError({
    expected: "finite activations on the calibration pictures",
    received: `${value} in "${name}"`,
    remedy: "no range holds such numbers: mend the net (repvgg verify tells where they begin), then quantize it",
  });
}

function addHistogram(bins: Float64Array, low: number, high: number, data: Float32Array): void {
  const factor = high > low ? bins.length / (high - low) : 0;
  for (const value of data) {
    if (value === 0) continue;
    const bin = Math.min(bins.length - 1, Math.floor((value - low) * factor));
    bins[bin] = bins[bin]! + 1;
  }
}
