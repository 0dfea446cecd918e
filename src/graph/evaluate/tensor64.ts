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
      return { dtype, shape, data: Uint16Array.from(data, numberToHalf) };
    case "bf16":
      return { dtype, shape, data: Uint16Array.from(data, numberToBfloat16) };
    case "i64":
      return { dtype, shape, data: BigInt64Array.from(Array.from(data, toInt64)) };
    case "u64":
      return { dtype, shape, data: BigUint64Array.from(Array.from(data, (x) => BigInt.asUintN(64, BigInt(x)))) };
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

const int64Limit = 2n ** 63n;

function toInt64(value: number): bigint {
  const integer = BigInt(Math.trunc(value));
  if (integer >= int64Limit) return int64Limit - 1n;
  return integer < -int64Limit ? -int64Limit : integer;
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

/** An axis in [0, rank); ONNX counts negative ones from the end. @throws ShapeError outside. */
export function normalAxis(axis: number, rank: number): number {
  const normal = axis < 0 ? axis + rank : axis;
  if (normal < 0 || normal >= Math.max(rank, 1)) {
    throw new ShapeError({ expected: `an axis of ${rank} dimensions`, received: `axis ${axis}` });
  }
  return normal;
}
