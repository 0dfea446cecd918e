import {
  bytesPerElement,
  type DType,
  elementCount,
  type NamedArray,
  storageConstructor,
  toFloat32,
} from "./named-arrays.js";

type Fill = (target: NamedArray["data"], from: number) => void;

/** Vectors of this many bytes are kept once they were asked for: biases and statistics are read over and over. */
const keptBytes = 1 << 16;

/**
 * An array whose elements are read or computed when they are asked for: `data` makes all of them anew at each access (take it
 * once, and let go), `fill` some of them. So a net larger than the memory can pass through, one piece at a time.
 * @param fill puts the elements from `from` on into a storage of the element type; always the same ones
 * @param inParts false where a part costs as much as the whole
 */
export function deferredArray(dtype: DType, shape: readonly number[], fill: Fill, inParts = true): NamedArray {
  const count = elementCount(shape);
  let kept: NamedArray["data"] | undefined;
  const array = {
    dtype,
    shape,
    get data() {
      if (kept) return kept;
      const data = new storageConstructor[dtype](count);
      fill(data, 0);
      if (count * bytesPerElement[dtype] <= keptBytes) kept = data;
      return data;
    },
    ...(inParts && { fill }),
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
  const { shape } = array;
  if (!array.fill) return { dtype, shape, data: convert(array) } as NamedArray;
  const read = array.fill as Fill;
  return deferredArray(dtype, shape, (target, from) => {
    const data = new storageConstructor[array.dtype](target.length);
    read(data, from);
    const converted = convert({ dtype: array.dtype, shape: [data.length], data } as NamedArray);
    target.set(converted as never);
  });
}

/** Writes the array's elements as float32; what is deferred passes through no other memory where it is float32 already. */
export function writeFloat32(array: NamedArray, target: Float32Array): void {
  if (array.dtype === "f32" && array.fill) array.fill(target, 0);
  else target.set(toFloat32(array));
}

/** The array as float32; itself where it is float32 already. */
export function asFloat32(array: NamedArray): NamedArray {
  return array.dtype === "f32" ? array : convertedArray(array, "f32", toFloat32);
}
