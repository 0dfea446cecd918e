import { deferredArray } from "#repvgg/core/deferred-array.js";
import { bytesPerElement, type DType, elementCount, type NamedArray } from "#repvgg/core/named-arrays.js";
import { arrayFromBytes } from "#repvgg/formats/array-bytes.js";
import type { ByteSource } from "#repvgg/formats/byte-source.js";

/** Bytes as a file gives them that is not in memory: every part is a copy, arrays are deferred. Counts the bytes asked for. */
export class OutOfMemorySource implements ByteSource {
  read = 0;
  readonly size: number;

  constructor(readonly file: Uint8Array) {
    this.size = file.length;
  }

  bytes(from: number, to: number): Uint8Array {
    if (!(from >= 0 && from <= to && to <= this.size)) throw new Error(`${from} to ${to} is not in ${this.size} bytes`);
    this.read += to - from;
    return new Uint8Array(this.file.subarray(from, to));
  }

  array(dtype: DType, shape: readonly number[], from: number): NamedArray {
    const width = bytesPerElement[dtype];
    if (from + elementCount(shape) * width > this.size) throw new Error(`no [${shape}] at ${from}`);
    return deferredArray(dtype, shape, (target, first) => {
      const begin = from + first * width;
      const part = arrayFromBytes(dtype, [target.length], this.bytes(begin, begin + target.length * width));
      (target as Float32Array).set(part.data as Float32Array);
    });
  }

  slice(from: number, to: number): ByteSource {
    return new OutOfMemorySource(this.bytes(from, to));
  }
}
