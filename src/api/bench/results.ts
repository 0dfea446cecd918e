import { quantile } from "../../core/statistics.js";

/** Times of one engine on one task. */
export interface BenchTimes {
  /** Milliseconds a run. */
  readonly median: number;
  readonly lowerQuartile: number;
  readonly upperQuartile: number;
  readonly runs: number;
}

export interface EngineResult {
  /** "repvgg", "repvgg:wasm", "onnxruntime-node", … */
  readonly engine: string;
  /** Kernels and version; absent where it did not start. */
  readonly description?: string;
  /** Why there are no times. */
  readonly absent?: string;
  readonly times?: BenchTimes;
  /** Of the medians. */
  readonly imagesPerSecond?: number;
  /** This engine's median / the first engine's: how many times faster the first is. Only where both agree. */
  readonly ratio?: number;
  /** max |Δ| / max |·| of the first output against the first engine's. */
  readonly relativeError?: number;
  /** False: the outputs differ, so that the times say nothing and there is no ratio. */
  readonly agrees?: boolean;
  /** File → first result, in a process that has loaded the engine's code. */
  readonly loadMilliseconds?: number;
  /** Most memory that its process has had. */
  readonly peakBytes?: number;
}

/** One net on so many threads with so many images at once, by every engine. */
export interface BenchResult {
  readonly model: string;
  readonly threads: number;
  readonly batch: number;
  /** By input name. */
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly engines: readonly EngineResult[];
}

/** Whether the machine had other things to do: then figures are not worth much. */
export interface Noise {
  /** Processes that ran or waited on average over the minute before the measurement. */
  readonly loadAverage: number;
  /** (upper − lower quartile) / median of the engine whose times spread most. */
  readonly widestSpread: number;
  readonly noisy: boolean;
}

/** From these on a machine counts as noisy. */
export const noiseLimits = { loadAverage: 0.5, spread: 0.15 } as const;

/** Outputs further apart than this are not the same net's. */
export const agreementLimit = 1e-3;

export function summary(milliseconds: readonly number[]): BenchTimes {
  return {
    median: quantile(milliseconds, 0.5),
    lowerQuartile: quantile(milliseconds, 0.25),
    upperQuartile: quantile(milliseconds, 0.75),
    runs: milliseconds.length,
  };
}

export function noiseOf(results: readonly BenchResult[], loadAverage: number): Noise {
  const spreads = results.flatMap(({ engines }) =>
    engines.flatMap(({ times }) => (times ? [(times.upperQuartile - times.lowerQuartile) / times.median] : [])),
  );
  const widestSpread = Math.max(0, ...spreads);
  return {
    loadAverage,
    widestSpread,
    noisy: loadAverage > noiseLimits.loadAverage || widestSpread > noiseLimits.spread,
  };
}

/** max |a − b| / max |b|; infinite where the lengths differ or a number is missing. */
export function relativeError(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let [difference, scale] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    difference = Math.max(difference, Math.abs(a[i]! - b[i]!)); // NaN stays
    scale = Math.max(scale, Math.abs(b[i]!));
  }
  if (Number.isNaN(difference)) return Number.POSITIVE_INFINITY;
  return difference === 0 ? 0 : difference / scale;
}
