/**
 * A protobuf message as data: what the wire reader and writer need to know of each field. Fields that a schema leaves out are
 * kept as their bytes (`unknown`) and written back.
 */
export interface Schema {
  /** For messages to the user. */
  readonly name: string;
  readonly fields: readonly Field[];
  readonly byNumber: ReadonlyMap<number, Field>;
}

export interface Field {
  readonly number: number;
  readonly name: string;
  readonly kind: Kind;
  readonly repeated: boolean;
}

/**
 * Type of a field and of its value: `string`; `bytes` (Uint8Array, on the file's memory); `data` (the same, or StoredBytes where
 * there are many and the file is not in memory); `float`, `double`, `int32` (number);
 * `int64`, `uint64` (bigint); `size` (an int64 below 2⁵³ as a number). Repeated numbers are typed arrays, sizes `number[]`.
 */
export type Kind = "string" | "bytes" | "data" | NumberKind | (() => Schema);
export type NumberKind = "float" | "double" | "int32" | "int64" | "uint64" | "size";

export function isNumberKind(kind: Kind): kind is NumberKind {
  return typeof kind === "string" && kind !== "string" && kind !== "bytes" && kind !== "data";
}

type FieldSpec = readonly [number: number, kind: Kind, repeated?: "repeated"];

export function schema(name: string, specs: Readonly<Record<string, FieldSpec>>): Schema {
  const fields = Object.entries(specs)
    .map(([field, [number, kind, repeated]]) => ({ number, name: field, kind, repeated: repeated === "repeated" }))
    .sort((a, b) => a.number - b.number);
  return { name, fields, byNumber: new Map(fields.map((field) => [field.number, field])) };
}

/** How a field is laid out on the wire. */
export const wire = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

export function wireTypeOf(kind: NumberKind): number {
  return kind === "float" ? wire.fixed32 : kind === "double" ? wire.fixed64 : wire.varint;
}
