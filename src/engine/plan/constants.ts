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
  /**
   * From what was written to its final place; absent where it is used as it is. `spare` is room for as much once more;
   * both may be overwritten.
   */
  readonly pack?: (data: Pointer, packed: Pointer, spare: Pointer) => readonly KernelCall[];
}

/** A constant that is used as it is. */
export function plainConstant(key: string, numbers: ArrayLike<number>): Constant {
  return { key, words: numbers.length, count: numbers.length, write: (target) => target.set(numbers) };
}
