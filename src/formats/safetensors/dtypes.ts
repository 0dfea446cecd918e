import type { DType } from "../../core/named-arrays.js";

/** Names of element types in safetensors. */
export const safetensorsName: Readonly<Record<DType, string>> = {
  f64: "F64",
  f32: "F32",
  f16: "F16",
  bf16: "BF16",
  i64: "I64",
  i32: "I32",
  i16: "I16",
  i8: "I8",
  u64: "U64",
  u32: "U32",
  u16: "U16",
  u8: "U8",
  bool: "BOOL",
};

/** The other way round. */
export const dtypeOfSafetensorsName: ReadonlyMap<string, DType> = new Map(
  Object.entries(safetensorsName).map(([dtype, name]) => [name, dtype as DType]),
);

/** The header may take at most this many bytes, as in the reference implementation. */
export const maxHeaderBytes = 100_000_000;
