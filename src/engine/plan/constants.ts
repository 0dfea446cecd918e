import type { KernelCall, Pointer } from "../../backend/backend.js";

/**
 * Something that a plan reads and never writes: a per-channel vector, or weights in the layout that a kernel wants.
 * Two constants with the same key have the same contents, so that plans can share them.
 */
export interface Constant {
  readonly key: string;
  readonly words: number;
  /** The numbers before packing. Called once, when the constant enters kernel memory. */
  readonly data: () => Float32Array;
  /** From `data` in kernel memory to its final place; absent where the data is used as it is. */
  readonly pack?: (data: Pointer, packed: Pointer) => readonly KernelCall[];
}
