import type { BackendKind } from "../../backend/options.js";
import type { InputShapes } from "../../exchange/net-inputs.js";

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
      /** Kernel memory that was in use while the net was loaded, and is not by anything but the arena: it may lie there. */
      readonly holeBytes: number;
      readonly weightBytes: number;
      /** Inputs and outputs as the caller has them. */
      readonly portBytes: number;
      /** With a pattern: of the arena. */
      readonly writtenBytes: number | null;
      /**
       * Without one: memory of the process that is resident after the run (RssAnon); null where the system does not tell. Pages that
       * kernels have written stay, so that it holds the peak of the activations, and not what JavaScript has thrown away.
       */
      readonly residentBytes: number | null;
    }
  | { readonly type: "failed"; readonly reason: string };
