import type { KernelCall, Pointer } from "../../backend/backend.js";

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
