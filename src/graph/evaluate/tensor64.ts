import { ShapeError } from "../../core/errors.js";
import type { DType, NamedArray } from "../../core/named-arrays.js";
import { numberToBfloat16, numberToHalf, toFloat64 } from "../../core/named-arrays.js";

/** A value during evaluation: any element type, computed in float64 (integers up to 2⁵³ are exact). */
export interface Tensor64 {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export function tensor64(shape: readonly number[], data: Float64Array, dtype: DType = "f64"): Tensor64 {
  return { dtype, shape, data };
}

/** Values of more elements (2 GiB) are taken for a mistake in the graph. */
const mostElements = 2 ** 28;

/** @throws ShapeError for a count that is no count, or absurdly large: what is to be made of it would take all memory. */
export function checkCount(count: number, what: string): void {
  if (Number.isInteger(count) && count >= 0 && count <= mostElements) return;
  throw new ShapeError({ expected: `${what} of at most ${mostElements} elements`, received: String(count) });
}

/** Zeros of a computed shape. @throws ShapeError when it is no shape or has absurdly many elements. */
export function zeros(shape: readonly number[]): Float64Array {
  const count = shape.reduce((n, size) => n * size, 1);
  if (!shape.every((size) => Number.isInteger(size) && size >= 0) || count > mostElements) {
    throw new ShapeError({ expected: `sizes of at most ${mostElements} elements`, received: `[${shape.join(", ")}]` });
  }
  return new Float64Array(count);
}

export function toTensor64(array: NamedArray): Tensor64 {
  return { dtype: array.dtype, shape: array.shape, data: toFloat64(array) };
}

/** The value in its own element type, each element rounded once (saturated for int64: ONNX uses its limits as "to the end"). */
export function toNamedArray({ dtype, shape, data }: Tensor64): NamedArray {
  switch (dtype) {
    case "f64":
      return { dtype, shape, data };
    case "f32":
      return { dtype, shape, data: new Float32Array(data) };
    case "f16":
      return { dtype, shape, data: bitsOf(data, numberToHalf) };
    case "bf16":
      return { dtype, shape, data: bitsOf(data, numberToBfloat16) };
    case "i64":
      return { dtype, shape, data: BigInt64Array.from(Array.from(data, toInt64)) };
    case "u64":
      return { dtype, shape, data: BigUint64Array.from(Array.from(data, (x) => BigInt.asUintN(64, toInt64(x)))) };
    case "i32":
      return { dtype, shape, data: Int32Array.from(data) };
    case "i16":
      return { dtype, shape, data: Int16Array.from(data) };
    case "i8":
      return { dtype, shape, data: Int8Array.from(data) };
    case "u32":
      return { dtype, shape, data: Uint32Array.from(data) };
    case "u16":
      return { dtype, shape, data: Uint16Array.from(data) };
    case "u8":
      return { dtype, shape, data: Uint8Array.from(data) };
    case "bool":
      return { dtype, shape, data: Uint8Array.from(data, (x) => (x === 0 ? 0 : 1)) };
  }
}

/** In a loop: `Uint16Array.from` makes a list of all numbers first, at ten times the time. */
function bitsOf(data: Float64Array, bits: (value: number) => number): Uint16Array {
  const result = new Uint16Array(data.length);
  for (let i = 0; i < data.length; i++) result[i] = bits(data[i]!);
  return result;
}

/** Rounds towards zero and saturates, as hardware and ONNX Runtime do; not-a-number becomes 0. */
function toInt64(value: number): bigint {
  if (Number.isNaN(value)) return 0n;
  if (value >= 2 ** 63) return 2n ** 63n - 1n;
  return value <= -(2 ** 63) ? -(2n ** 63n) : BigInt(Math.trunc(value));
}

/** Towards zero; not-a-number becomes 0. */
export function wholeNumber(value: number): number {
  return Number.isNaN(value) ? 0 : Math.trunc(value) + 0; // no negative zero
}

/** Bits of an integer type that arithmetic wraps around; 64 bits are beyond float64's integers and stay as they are. */
const wrapping: Partial<Record<DType, { readonly bits: number; readonly signed: boolean }>> = {
  i32: { bits: 32, signed: true },
  i16: { bits: 16, signed: true },
  i8: { bits: 8, signed: true },
  u32: { bits: 32, signed: false },
  u16: { bits: 16, signed: false },
  u8: { bits: 8, signed: false },
};

/** The value with each number brought into its integer type's range, as two's complement does; floating-point values as they are. */
export function wrapped(x: Tensor64): Tensor64 {
  const type = wrapping[x.dtype];
  if (!type) return x;
  const span = 2 ** type.bits;
  const low = type.signed ? -span / 2 : 0;
  const fits = (v: number): boolean => v >= low && v < low + span;
  if (x.data.every(fits)) return x;
  return {
    ...x,
    data: x.data.map((v) => (fits(v) || !Number.isFinite(v) ? v : v - span * Math.floor((v - low) / span))),
  };
}

export function isInteger(dtype: DType): boolean {
  return !["f64", "f32", "f16", "bf16"].includes(dtype);
}

/** Row-major strides, in elements. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  for (let axis = shape.length - 1, stride = 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}
