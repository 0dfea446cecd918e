import { type ErrorParts, FormatError, ShapeError, UserError } from "../core/errors.js";
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

/** An error as plain data: a clone of an error loses its class. */
export interface PackedError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly parts: ErrorParts | undefined;
}

export function packError(error: unknown): PackedError {
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  if (!(error instanceof UserError)) return { name, message, stack, parts: undefined };
  const { expected, received, remedy } = error;
  return {
    name,
    message,
    stack,
    parts: remedy === undefined ? { expected, received } : { expected, received, remedy },
  };
}

/** The error again: of its own class where a user can mend it. */
export function unpackError({ name, message, stack, parts }: PackedError): Error {
  if (parts) {
    const Kind = { FormatError, ShapeError }[name] ?? UserError;
    return new Kind(parts);
  }
  const error = new Error(message);
  error.name = name;
  if (stack !== undefined) error.stack = stack;
  return error;
}
