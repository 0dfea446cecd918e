import type { SessionTensor } from "../../engine/session.js";

/** What one process of a benchmark has to run. */
export interface BenchJob {
  /** As {@link benchEngines} names them. */
  readonly engine: string;
  /** An ONNX file: one that every engine reads. */
  readonly modelPath: string;
  /** By input name. */
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly threads: number;
}

export type BenchInputs = Readonly<Record<string, SessionTensor>>;

/** A net that an engine has made ready. */
export interface BenchRunner {
  /** Kernels and version, as people name them. */
  readonly description: string;
  /** Most memory of the process that runs the net, in bytes, where it is another one than this. */
  readonly peakBytes?: number | undefined;
  /** One run, from input numbers to the numbers of the graph's first output. */
  run(inputs: BenchInputs): Float32Array | Promise<Float32Array>;
}

/** Why an engine does not take part. Said in the report; not an error. */
export class EngineAbsent extends Error {}

/** Makes a net ready. @throws EngineAbsent where the engine is not installed or cannot do the job. */
export type BenchEngine = (job: BenchJob) => Promise<BenchRunner>;
