import type { PackedError } from "../core/packed-error.js";
import type { BatchOptions, MadeBatch } from "./batches.js";
import type { DatasetSource } from "./dataset.js";
import type { MemoryContents } from "./memory-dataset.js";

/** What a loader's worker begins with. Pictures in memory are shared with it, others opened again by it. */
export interface LoaderWorkerData {
  readonly dataset: { readonly contents: MemoryContents } | { readonly source: DatasetSource };
  readonly options: BatchOptions;
}

/** Loader → worker: make a batch, or forget all that were asked for and not begun. */
export type LoaderRequest =
  | { readonly kind: "make"; readonly id: number; readonly epoch: number; readonly step: number }
  | { readonly kind: "cancel" };

/** Worker → loader. */
export type LoaderReply =
  | { readonly id: number; readonly made: MadeBatch }
  | { readonly id: number; readonly error: PackedError };
