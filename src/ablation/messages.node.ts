import type { AblationRun } from "../analysis/ablation/summary.js";
import type { SplitOrigin } from "../api/datasets.node.js";
import type { BackendKind } from "../backend/options.js";
import type { FailedReply } from "../studies/answering.node.js";
import type { RunPosition } from "../train/checkpoint.js";
import type { VariantJob } from "./train-variant.node.js";

/** What the process that leads an ablation says to one that trains, … */
export type ToChild =
  | {
      readonly type: "open";
      readonly data: SplitOrigin;
      readonly strict: boolean;
      readonly threads: number;
      readonly kernels: BackendKind | undefined;
    }
  | { readonly type: "train"; readonly job: VariantJob }
  /** Write a checkpoint after the step under way and give up the run. */
  | { readonly type: "stop" };

/** … and what it hears back. */
export type FromChild =
  /** All pictures are decoded. */
  | { readonly type: "opened" }
  | { readonly type: "step"; readonly position: RunPosition; readonly loss: number }
  /** The run is done; undefined: stopped. */
  | { readonly type: "done"; readonly run: AblationRun | undefined }
  | FailedReply;
