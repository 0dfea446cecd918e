import type { BackendKind } from "../../backend/options.js";
import type { InputShapes } from "../exchange/net-inputs.js";

/** What one process has to run and measure. */
export interface MemoryJob {
  /** An ONNX file. */
  readonly modelPath: string;
  readonly shapes: InputShapes;
  readonly fuseBatchNorm: boolean;
  readonly kernels: BackendKind;
  readonly threads: number;
  /** Fill the arena with a pattern first and count what a run writes. Every page of it is then in use. */
  readonly pattern: boolean;
}

/** What it hears back. */
export type MemoryAnswer =
  | {
      readonly type: "measured";
      readonly backend: string;
      readonly plannedBytes: number;
      readonly arenaBytes: number;
      /** Inputs and outputs as the caller has them. */
      readonly portBytes: number;
      /** With a pattern: of the arena. */
      readonly writtenBytes: number | null;
      /** Without one: the process's high-water mark during the run; null where the system does not tell. */
      readonly peakBytes: number | null;
    }
  | { readonly type: "failed"; readonly reason: string };
