import { type Quartiles, quartiles } from "../../core/statistics.js";
import { DifferenceMeter } from "../../verify/difference.js";

/** Times of one engine on one task, in milliseconds a run. */
export interface BenchTimes extends Quartiles {
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
  return { ...quartiles(milliseconds), runs: milliseconds.length };
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

/** max |Δ| / max |reference|; infinite where the lengths differ, or a number is not finite on one side only. */
export function relativeError(candidate: Float32Array, reference: Float32Array): number {
  if (candidate.length !== reference.length) return Number.POSITIVE_INFINITY;
  const meter = new DifferenceMeter();
  return meter.push(reference, candidate) === Number.POSITIVE_INFINITY
    ? Number.POSITIVE_INFINITY
    : meter.result.relative;
}
