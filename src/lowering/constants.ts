import type { KernelCall, Pointer } from "../backend/backend.js";
import { UserError } from "../core/errors.js";
import { elementCount, type NamedArray, toFloat32, toFloat64 } from "../core/named-arrays.js";
import { isInteger } from "../graph/evaluate/tensor64.js";

/**
 * Something that a plan reads and never writes: a per-channel vector, or weights in the layout that a kernel wants.
 * Two constants with the same key have the same contents, so that plans can share them.
 */
export interface Constant {
  readonly key: string;
  readonly words: number;
  /** Numbers before packing: `words` of them where there is no `pack`. */
  readonly count: number;
  /** Writes them. Called once, when the constant enters kernel memory. */
  readonly write: (target: Float32Array) => void;
  /** From there to its final place; absent where it is used as it is. */
  readonly packing?: Packing;
}

export interface Packing {
  /** Words of room for it: the numbers come first, and may be overwritten. */
  readonly roomWords: number;
  readonly calls: (room: Pointer, packed: Pointer) => readonly KernelCall[];
}

/** A constant that is used as it is. */
export function plainConstant(key: string, numbers: ArrayLike<number>): Constant {
  return { key, words: numbers.length, count: numbers.length, write: (target) => target.set(numbers) };
}

/**
 * A constant of the graph as it stands there, row-major.
 * @throws UserError for whole numbers that float32 does not hold
 */
export function rowMajorConstant(name: string, array: NamedArray): Constant {
  checkWhole(name, array);
  const words = elementCount(array.shape);
  return { key: `${name} row-major [${array.shape}]`, words, count: words, write: (t) => t.set(toFloat32(array)) };
}

/** @throws UserError for whole numbers that float32 does not hold */
export function checkWhole(name: string, array: NamedArray): void {
  const beyond = isInteger(array.dtype) ? toFloat64(array).find((v) => Math.fround(v) !== v) : undefined;
  if (beyond === undefined) return;
  throw new UserError({ expected: `whole numbers that float32 holds in "${name}"`, received: String(beyond) });
}
