import type { DType, NamedArray } from "../core/named-arrays.js";
import { bytesPerElement, elementCount } from "../core/named-arrays.js";
import { arrayFromBytes } from "./array-bytes.js";

/** A file's bytes, in memory or not: readers take what they parse, and hand on tensors without touching them. */
export interface ByteSource {
  readonly size: number;
  /** The bytes [from, to), which lie within the source: on the same memory where they are in memory. */
  bytes(from: number, to: number): Uint8Array;
  /** The little-endian elements that begin at byte `from`: a view where they lie in memory and aligned, deferred in a file. */
  array(dtype: DType, shape: readonly number[], from: number): NamedArray;
  /** The bytes [from, to) as a source; in memory they are copied where they do not lie aligned for every element type. */
  slice(from: number, to: number): ByteSource;
}

/** Bytes in memory. */
export class MemorySource implements ByteSource {
  readonly size: number;

  constructor(readonly memory: Uint8Array) {
    this.size = memory.length;
  }

  bytes(from: number, to: number): Uint8Array {
    return this.memory.subarray(from, to);
  }

  array(dtype: DType, shape: readonly number[], from: number): NamedArray {
    return arrayFromBytes(dtype, shape, this.bytes(from, from + elementCount(shape) * bytesPerElement[dtype]));
  }

  slice(from: number, to: number): ByteSource {
    const part = this.bytes(from, to);
    return new MemorySource(part.byteOffset % 8 === 0 ? part : new Uint8Array(part)); // not slice(): a Node Buffer's is a view
  }
}

/** What readers of files accept. */
export function asSource(file: Uint8Array | ByteSource): ByteSource {
  return file instanceof Uint8Array ? new MemorySource(file) : file;
}
