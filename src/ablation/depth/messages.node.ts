import type { BackendKind } from "../../backend/options.js";
import type { FailedReply } from "../../studies/answering.node.js";
import type { StudyPart, StudyPlan } from "./plan.js";
import type { StudyRun } from "./results.js";

/** What the process that leads a study says to one that trains, … */
export type ToChild =
  | {
      readonly type: "open";
      readonly plan: StudyPlan;
      readonly threads: number;
      readonly kernels: BackendKind | undefined;
    }
  | { readonly type: "train"; readonly part: StudyPart; readonly folder: string }
  /** Write a checkpoint after the step under way and give up the part. */
  | { readonly type: "stop" };

/** … and what it hears back. */
export type FromChild =
  /** All pictures are decoded. */
  | { readonly type: "opened" }
  | { readonly type: "step"; readonly steps: number }
  /** The part is done; undefined: stopped. */
  | { readonly type: "done"; readonly run: StudyRun | undefined }
  | FailedReply;
