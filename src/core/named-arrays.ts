/** Element types that exist in model files. `f16` and `bf16` are kept as their 16-bit patterns. */
export type DType =
  | "f64"
  | "f32"
  | "f16"
  | "bf16"
  | "i64"
  | "i32"
  | "i16"
  | "i8"
  | "u64"
  | "u32"
  | "u16"
  | "u8"
  | "bool";

/** The storage that holds one {@link DType}'s elements (row-major, native little-endian). */
export interface StorageOf {
  f64: Float64Array;
  f32: Float32Array;
  f16: Uint16Array;
  bf16: Uint16Array;
  i64: BigInt64Array;
  i32: Int32Array;
  i16: Int16Array;
  i8: Int8Array;
  u64: BigUint64Array;
  u32: Uint32Array;
  u16: Uint16Array;
  u8: Uint8Array;
  bool: Uint8Array;
}

/**
 * A dense row-major array: what model files hold and what moves between formats, graph and nets. Treat as immutable.
 * Its elements may lie elsewhere and be fetched when asked for: see `deferredArray`.
 */
export type NamedArray = {
  readonly [T in DType]: {
    /** Type of the elements. */
    readonly dtype: T;
    /** Row-major; [] of a single number. */
    readonly shape: readonly number[];
    /** The elements, one after another. */
    readonly data: StorageOf[T];
    /** Of an array that is not in memory: puts its elements from `from` on into a storage, as many as that holds. */
    readonly fill?: (target: StorageOf[T], from: number) => void;
  };
}[DType];

/** Arrays by name, in file order. */
export type NamedArrays = ReadonlyMap<string, NamedArray>;

type StorageConstructor = {
  new (length: number): NamedArray["data"];
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): NamedArray["data"];
};

export const storageConstructor: Readonly<Record<DType, StorageConstructor>> = {
  f64: Float64Array,
  f32: Float32Array,
  f16: Uint16Array,
  bf16: Uint16Array,
  i64: BigInt64Array,
  i32: Int32Array,
  i16: Int16Array,
  i8: Int8Array,
  u64: BigUint64Array,
  u32: Uint32Array,
  u16: Uint16Array,
  u8: Uint8Array,
  bool: Uint8Array,
};

export const bytesPerElement: Readonly<Record<DType, number>> = {
  f64: 8,
  f32: 4,
  f16: 2,
  bf16: 2,
  i64: 8,
  i32: 4,
  i16: 2,
  i8: 1,
  u64: 8,
  u32: 4,
  u16: 2,
  u8: 1,
  bool: 1,
};

/** Number of elements of a shape (1 for a scalar). */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** A float32 array with a shape. @throws RangeError when the data does not fill the shape. */
export function f32(shape: readonly number[], data: Float32Array = new Float32Array(elementCount(shape))): NamedArray {
  if (data.length !== elementCount(shape)) throw new RangeError(`${data.length} elements do not fill [${shape}]`);
  return { dtype: "f32", shape, data };
}

/** The array's values as float32; the array's own storage where it is float32 already. */
export function toFloat32(array: NamedArray): Float32Array {
  return array.dtype === "f32" ? array.data : new Float32Array(toFloat64(array));
}

/** The array's values as float64 (int64 beyond 2⁵³ loses low bits); the array's own storage where it is float64 already. */
export function toFloat64(array: NamedArray): Float64Array {
  switch (array.dtype) {
    case "f64":
      return array.data;
    case "f16": {
      const { data } = array;
      const result = new Float64Array(data.length);
      for (let i = 0; i < result.length; i++) result[i] = halfToNumber(data[i]!);
      return result;
    }
    case "bf16":
      return new Float64Array(array.data).map(bfloat16ToNumber);
    case "i64":
    case "u64": {
      const { data } = array;
      const result = new Float64Array(data.length);
      for (let i = 0; i < result.length; i++) result[i] = Number(data[i]);
      return result;
    }
    default:
      return new Float64Array(array.data);
  }
}

const scratch = new DataView(new ArrayBuffer(8));
const float32 = new Float32Array(1);
const float32Bits = new Uint32Array(float32.buffer);

/** IEEE 754 binary16 bits → number. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent > 0 && exponent < 0x1f) {
    float32Bits[0] = ((bits & 0x8000) << 16) | ((exponent + 112) << 23) | (fraction << 13);
    return float32[0]!;
  }
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
}

/** number → IEEE 754 binary16 bits, rounded to nearest even; beyond 65504 it becomes infinity. */
export function numberToHalf(value: number): number {
  float32[0] = value;
  const bits = float32Bits[0]!;
  const size = bits & 0x7fff_ffff;
  // A float32 in float16's normal range: 13 bits of the fraction go, rounded to even; a carry moves into the exponent.
  if (float32[0] === value && size >= 0x3880_0000 && size < 0x477f_f000) {
    return ((bits >>> 16) & 0x8000) | ((size + 0xfff + ((size >>> 13) & 1) - 0x3800_0000) >>> 13);
  }
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude >= 65520) return sign | 0x7c00;
  if (magnitude < 2 ** -14) return sign | roundHalfEven(magnitude * 2 ** 24);
  const exponent = Math.floor(Math.log2(magnitude));
  const shift = magnitude < 2 ** exponent ? exponent - 1 : magnitude >= 2 ** (exponent + 1) ? exponent + 1 : exponent;
  return sign | (((shift + 15) << 10) + roundHalfEven((magnitude / 2 ** shift - 1) * 1024)); // a carry moves into the exponent
}

/** bfloat16 bits → number. */
export function bfloat16ToNumber(bits: number): number {
  scratch.setUint32(0, bits << 16);
  return scratch.getFloat32(0);
}

/** number → bfloat16 bits, rounded to nearest even. */
export function numberToBfloat16(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0;
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
