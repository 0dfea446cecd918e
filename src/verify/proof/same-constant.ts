import {
  bfloat16ToNumber,
  type DType,
  halfToNumber,
  type NamedArray,
  numberToBfloat16,
  numberToHalf,
  toFloat64,
} from "../../core/named-arrays.js";

/** Bit for bit. Arrays that are one object are not read. */
export function sameConstant(a: NamedArray, b: NamedArray): boolean {
  if (a === b) return true;
  if (a.dtype !== b.dtype || `${a.shape}` !== `${b.shape}`) return false;
  const [x, y] = [bytesOf(a), bytesOf(b)];
  for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) return false;
  return true;
}

function bytesOf({ data }: NamedArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** The stored numbers are the computed ones, each rounded once to the stored type. */
export function isRounded(
  computed: { readonly dtype: DType; readonly shape: readonly number[]; readonly data: Float64Array },
  stored: NamedArray,
): boolean {
  if (computed.dtype !== stored.dtype || `${computed.shape}` !== `${stored.shape}`) return false;
  const round = roundings[stored.dtype] ?? ((value: number) => value);
  return toFloat64(stored).every((value, i) => Object.is(value + 0, round(computed.data[i]!) + 0));
}

const roundings: Partial<Record<DType, (value: number) => number>> = {
  f32: Math.fround,
  f16: (value) => halfToNumber(numberToHalf(value)),
  bf16: (value) => bfloat16ToNumber(numberToBfloat16(value)),
};
