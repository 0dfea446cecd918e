import { UserError } from "../core/errors.js";
import { wholeRange } from "../lowering/whole-numbers.js";
import type { Port } from "./plan/plan.js";

/** Values as the graph has them: row-major, images NCHW, float32 whatever their type there (whole numbers up to 2^24; true is 1). */
export interface SessionTensor {
  /** As in the graph: images [N, C, H, W]. */
  readonly shape: readonly number[];
  /** Row-major. */
  readonly data: Float32Array;
}

/** Numbers of an input: float32 whatever its type in the graph; of 8-bit inputs (a picture's own bytes) also as they are. */
export type SessionNumbers = Float32Array | Uint8Array | Int8Array;

/** A value that goes in. */
export interface SessionInputTensor {
  /** As in the graph: images [N, C, H, W]. */
  readonly shape: readonly number[];
  /** Row-major. */
  readonly data: SessionNumbers;
}

/** Numbers alone have the session's shape, with as many images as they make. */
export type SessionValue = SessionNumbers | SessionInputTensor;
/** One value where the graph has one input; else values by input name. */
export type SessionInput = SessionValue | Readonly<Record<string, SessionValue>>;
/** Inputs of whole numbers and of truth values are given as float32, which holds the former below 2^24; those of 8 bits also as they are. */
export function checkNumbers({ name, dtype }: Port, data: SessionNumbers): void {
  if (!(data instanceof Float32Array)) {
    const received = data instanceof Uint8Array ? "u8" : "i8";
    if (received === dtype) return;
    throw new UserError({
      expected: `numbers of input "${name}" (${dtype}) as float32`,
      received,
      remedy: "give a Float32Array",
    });
  }
  const { low, high } = wholeRange(dtype);
  const wrong = data.find((value) => !(Number.isInteger(value) && value >= low && value <= high));
  if (wrong === undefined) return;
  const expected = dtype === "bool" ? "0 or 1" : `whole numbers from ${low} to ${high}`;
  throw new UserError({ expected: `${expected} for input "${name}" (${dtype})`, received: String(wrong) });
}

export function isNumbers(value: unknown): value is SessionNumbers {
  return value instanceof Float32Array || value instanceof Uint8Array || value instanceof Int8Array;
}

export function isTensor(input: SessionInput): input is SessionInputTensor {
  return !isNumbers(input) && Array.isArray(input.shape) && isNumbers(input.data);
}
