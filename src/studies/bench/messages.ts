import type { BenchJob } from "./job.js";

/** What the process that leads a benchmark says to one that runs an engine, … */
export type ToChild =
  | { readonly type: "prepare"; readonly job: BenchJob }
  /** Run at least three times and at least so long. */
  | { readonly type: "round"; readonly milliseconds: number };

/** … and what it hears back. */
export type FromChild =
  | {
      readonly type: "ready";
      readonly description: string;
      /** From before the file is opened to the first result. The engine's own code is loaded by then. */
      readonly loadMilliseconds: number;
      readonly output: Float32Array;
    }
  | { readonly type: "absent"; readonly reason: string }
  | { readonly type: "failed"; readonly reason: string }
  | {
      readonly type: "times";
      /** Of each run. */
      readonly milliseconds: readonly number[];
      /** Most memory that the process has had so far. */
      readonly peakBytes: number;
    };
