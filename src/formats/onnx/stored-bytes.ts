import { bytesPerElement, type DType, elementCount, type NamedArray } from "../../core/named-arrays.js";
import { chunksAsAnnounced } from "../array-bytes.js";
import type { ByteSource } from "../byte-source.js";

/** A tensor's bytes that are in a file, or not computed yet: fetched when they are asked for, each time anew. */
export interface StoredBytes {
  readonly length: number;
  /** The little-endian elements. */
  array(dtype: DType, shape: readonly number[]): NamedArray;
  /** A chunk is valid until the second one after it is asked for. */
  chunks(): Iterable<Uint8Array>;
}

const chunkBytes = 2 ** 20;

/** The bytes [from, to) of a file. */
export function storedInFile(file: ByteSource, from: number, to: number): StoredBytes {
  return {
    length: to - from,
    array: (dtype, shape) => file.array(dtype, shape, from),
    *chunks() {
      for (let at = from; at < to; at += chunkBytes) yield file.bytes(at, Math.min(to, at + chunkBytes));
    },
  };
}

/** The bytes of a deferred array. */
export function storedByArray(name: string, array: NamedArray): StoredBytes {
  return {
    length: elementCount(array.shape) * bytesPerElement[array.dtype],
    array: () => array,
    chunks: () => chunksAsAnnounced(name, array, array),
  };
}
