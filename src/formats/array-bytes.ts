import { deferredArray } from "../core/deferred-array.js";
import { FormatError, UserError } from "../core/errors.js";
import {
  bytesPerElement,
  type DType,
  elementCount,
  type NamedArray,
  storageConstructor,
} from "../core/named-arrays.js";

/**
 * Little-endian bytes as an array: a view on the same memory where the element type's alignment allows it, else a copy.
 * @param bytes exactly the array's bytes
 */
export function arrayFromBytes(dtype: DType, shape: readonly number[], bytes: Uint8Array): NamedArray {
  const width = bytesPerElement[dtype];
  // Not slice(): a Node Buffer's is a view.
  const aligned = bytes.byteOffset % width === 0 ? bytes : new Uint8Array(bytes);
  const data = new storageConstructor[dtype](aligned.buffer, aligned.byteOffset, bytes.byteLength / width);
  return { dtype, shape, data } as NamedArray;
}

/** Copies of this many bytes are made at once: to defer them saves nothing. */
const smallBytes = 1 << 20;

/** The same without a large copy: where a view is not to be had, elements are copied when they are asked for. */
export function deferredFromBytes(dtype: DType, shape: readonly number[], bytes: Uint8Array): NamedArray {
  const width = bytesPerElement[dtype];
  if (bytes.byteOffset % width === 0 || bytes.byteLength <= smallBytes) return arrayFromBytes(dtype, shape, bytes);
  return deferredArray(dtype, shape, ({ buffer, byteOffset, byteLength }, from) => {
    const begin = from * width;
    new Uint8Array(buffer, byteOffset, byteLength).set(bytes.subarray(begin, begin + byteLength));
  });
}

/** The array's elements as little-endian bytes, on the same memory. */
export function bytesOfArray({ data }: Pick<NamedArray, "data">): Uint8Array {
  const { buffer, byteOffset, byteLength } = data;
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** What a file's header must know of a tensor before its data exist. */
export interface TensorSpec {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** The bytes of an array that a header announced. @throws UserError when it is another. */
export function bytesAsAnnounced(name: string, spec: TensorSpec, array: NamedArray): Uint8Array {
  checkAnnounced(name, spec, array);
  return bytesOfArray(array);
}

/** Parts in which a deferred array is written. */
const chunkBytes = 2 ** 20;

/**
 * The same in chunks; a deferred array part by part, by whole rows. A chunk is valid until the second one after it is asked for:
 * two memories take turns, since fresh memory costs more than what is computed into it.
 * @throws UserError when it is not as announced.
 */
export function* chunksAsAnnounced(name: string, spec: TensorSpec, array: NamedArray): Generator<Uint8Array, void> {
  if (!array.fill) {
    yield bytesAsAnnounced(name, spec, array);
    return;
  }
  checkAnnounced(name, spec, array);
  const { dtype, shape } = array;
  const fill = array.fill as (target: NamedArray["data"], from: number) => void;
  const count = elementCount(shape);
  const row = elementCount(shape.slice(1));
  const step = Math.min(count, Math.max(1, Math.floor(chunkBytes / bytesPerElement[dtype] / row)) * row);
  const storages = [0, 1].map(() => new storageConstructor[dtype](step));
  for (let from = 0, turn = 0; from < count; from += step, turn = 1 - turn) {
    const data = storages[turn]!.subarray(0, Math.min(step, count - from));
    fill(data, from);
    yield bytesOfArray({ data });
  }
}

function checkAnnounced(name: string, { dtype, shape }: TensorSpec, array: NamedArray): void {
  const elements = array.fill ? elementCount(array.shape) : array.data.length;
  if (array.dtype === dtype && elements === elementCount(shape)) return;
  throw new UserError({
    expected: `${elementCount(shape)} elements of ${dtype} for ${quoted(name)}`,
    received: `${elements} of ${array.dtype}`,
  });
}

/** PyTorch's own limit. */
export const maxRank = 64;

/**
 * Number of elements of a shape that somebody else's file states.
 * @throws FormatError when a size is not a whole number ≥ 0, the product is beyond 2⁵³, or there are too many dimensions.
 */
export function checkedElementCount(shape: readonly number[], what: string): number {
  if (shape.length > maxRank) {
    throw new FormatError({ expected: `at most ${maxRank} dimensions for ${what}`, received: `${shape.length}` });
  }
  let count = 1;
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || size < 0) {
      throw new FormatError({
        expected: `whole sizes from 0 in the shape of ${what}`,
        received: `[${shape.join(", ")}]`,
      });
    }
    count *= size;
    if (count > Number.MAX_SAFE_INTEGER) {
      throw new FormatError({
        expected: `a shape of fewer than 2^53 elements for ${what}`,
        received: `[${shape.join(", ")}]`,
      });
    }
  }
  return count;
}

/** Chunks of a file as one. */
export function concatenate(chunks: Iterable<Uint8Array>): Uint8Array {
  const parts = [...chunks];
  const whole = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Text of a file for a message: quoted, control characters escaped, at most 60 characters. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
