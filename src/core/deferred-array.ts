import { bytesPerElement, type DType, elementCount, type NamedArray, toFloat32 } from "./named-arrays.js";

/** Vectors of this many bytes are kept once they were asked for: biases and statistics are read over and over. */
const keptBytes = 1 << 16;

/**
 * An array whose elements are read or computed when they are asked for, and afterwards belong to who asked: `data` makes all
 * of them at each access (take it once, and let go), `part` some of them. So a net larger than the memory can pass
 * through, one piece at a time.
 * @param elements makes the elements [from, to), always the same ones
 * @param inParts false where a part costs as much as the whole
 */
export function deferredArray(
  dtype: DType,
  shape: readonly number[],
  elements: (from: number, to: number) => NamedArray["data"],
  inParts = true,
): NamedArray {
  const count = elementCount(shape);
  let kept: NamedArray["data"] | undefined;
  const array = {
    dtype,
    shape,
    get data() {
      if (kept) return kept;
      const data = elements(0, count);
      if (count * bytesPerElement[dtype] <= keptBytes) kept = data;
      return data;
    },
    ...(inParts && { part: elements }),
  };
  return array as NamedArray;
}

/** The array with its elements in memory. */
export function inMemory(array: NamedArray): NamedArray {
  const { dtype, shape, data } = array;
  return { dtype, shape, data } as NamedArray;
}

/** An array of which every part is made from the same part of another: deferred where that is. */
export function convertedArray(
  array: NamedArray,
  dtype: DType,
  convert: (part: NamedArray) => NamedArray["data"],
): NamedArray {
  const { shape, part } = array;
  if (!part) return { dtype, shape, data: convert(array) } as NamedArray;
  const elements = (from: number, to: number): NamedArray["data"] =>
    convert({ dtype: array.dtype, shape: [to - from], data: part(from, to) } as NamedArray);
  return deferredArray(dtype, shape, elements);
}

/** The array as float32; itself where it is float32 already. */
export function asFloat32(array: NamedArray): NamedArray {
  return array.dtype === "f32" ? array : convertedArray(array, "f32", toFloat32);
}
