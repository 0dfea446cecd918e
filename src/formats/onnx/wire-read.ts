import { FormatError } from "../../core/errors.js";
import { memoryCost as cost, MemoryBudget } from "../memory-budget.js";
import { type Field, isNumberKind, type Kind, type NumberKind, type Schema, wire, wireTypeOf } from "./schema.js";

/** Graphs in attributes of nodes of graphs …: deeper ones are an attack on the stack. */
const maxDepth = 100;

type Decoded = Record<string, unknown>;

/**
 * Decodes one protobuf message (https://protobuf.dev/programming-guides/encoding) by its schema. `bytes` fields are views.
 * Repeated fields that are absent are empty, others absent stay absent.
 * @throws FormatError when the bytes are no such message.
 */
export function decodeMessage(schema: Schema, bytes: Uint8Array): Decoded {
  return new WireReader(bytes, new MemoryBudget(bytes.length, "the ONNX file")).message(schema, bytes.length, 0);
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

class WireReader {
  #at = 0;
  readonly #view: DataView;

  constructor(
    readonly bytes: Uint8Array,
    readonly budget: MemoryBudget,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  message(schema: Schema, end: number, depth: number): Decoded {
    if (depth > maxDepth) throw this.#error(`at most ${maxDepth} levels of messages`, "more");
    this.budget.charge(cost.object);
    const lists = new Map<Field, List>();
    const record: Decoded = {};
    const unknown: Uint8Array[] = [];
    while (this.#at < end) {
      const start = this.#at;
      const tag = this.#varint32(end);
      const number = tag >>> 3;
      const wireType = tag & 7;
      const field = schema.byNumber.get(number);
      if (field !== undefined && this.#readField(schema, field, wireType, end, depth, record, lists)) continue;
      if (number === 0) throw this.#error(`a field number in ${schema.name}`, "0");
      this.#skip(wireType, end);
      this.budget.charge(cost.view);
      unknown.push(this.bytes.subarray(start, this.#at));
    }
    for (const field of schema.fields) {
      if (field.repeated) record[field.name] = lists.get(field)?.finish() ?? emptyOf(field.kind);
    }
    if (unknown.length > 0) record.unknown = unknown;
    return record;
  }

  /** @returns false when the wire type is not the field's: then it is unknown. */
  #readField(
    schema: Schema,
    field: Field,
    wireType: number,
    end: number,
    depth: number,
    record: Decoded,
    lists: Map<Field, List>,
  ): boolean {
    const { kind, name, repeated } = field;
    const isNumber = isNumberKind(kind);
    const packed = isNumber && repeated && wireType === wire.bytes;
    if (!packed && wireType !== (isNumber ? wireTypeOf(kind) : wire.bytes)) return false;
    let list = lists.get(field);
    if (repeated && list === undefined) {
      list = newList(kind, this.budget);
      lists.set(field, list);
    }
    if (isNumber && !packed) {
      const value = this.#number(kind, end);
      if (list) list.push(value);
      else record[name] = value;
      return true;
    }
    const length = this.#varint32(end);
    const fieldEnd = this.#at + length;
    if (fieldEnd > end)
      throw this.#error(`${length} bytes of ${schema.name}.${name}`, `the end after ${end - this.#at}`);
    if (packed) {
      while (this.#at < fieldEnd) list!.push(this.#number(kind, fieldEnd));
      return true;
    }
    if (!list && typeof kind === "function" && record[name] !== undefined) {
      // Protobuf would merge them; no writer makes such files, and merging again and again could take for ever.
      throw this.#error(`${schema.name}.${name} once`, "a second one");
    }
    const value =
      typeof kind === "function"
        ? this.message(kind(), fieldEnd, depth + 1)
        : this.#slice(kind, fieldEnd, `${schema.name}.${name}`);
    if (list) list.push(value);
    else record[name] = value;
    return true;
  }

  #slice(kind: Kind, end: number, what: string): string | Uint8Array {
    const bytes = this.bytes.subarray(this.#at, end);
    this.#at = end;
    if (kind === "bytes") {
      this.budget.charge(cost.view);
      return bytes;
    }
    this.budget.charge(cost.string + bytes.length);
    try {
      return utf8.decode(bytes);
    } catch {
      throw this.#error(`text in UTF-8 as ${what}`, "other bytes");
    }
  }

  #number(kind: NumberKind, end: number): number | bigint {
    switch (kind) {
      case "float":
        return this.#view.getFloat32(this.#advance(4, end), true);
      case "double":
        return this.#view.getFloat64(this.#advance(8, end), true);
      case "int32":
        this.#varint(end);
        return this.#low | 0;
      case "size": {
        this.#varint(end);
        const value = (this.#high | 0) * 2 ** 32 + this.#low;
        if (!Number.isSafeInteger(value)) throw this.#error("a number below 2^53", String(this.#bigint(true)));
        return value;
      }
      case "int64":
        this.#varint(end);
        return this.#bigint(true);
      case "uint64":
        this.#varint(end);
        return this.#bigint(false);
    }
  }

  /** The two halves of the last varint, unsigned. */
  #low = 0;
  #high = 0;

  #bigint(signed: boolean): bigint {
    const value = (BigInt(this.#high) << 32n) | BigInt(this.#low);
    return signed ? BigInt.asIntN(64, value) : value;
  }

  #varint(end: number): void {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.#at >= end) throw this.#error("a whole number", "the end");
      const byte = this.bytes[this.#at++]!;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else high |= bits << (shift - 32);
      if (byte < 0x80) {
        this.#low = low >>> 0;
        this.#high = high >>> 0;
        return;
      }
    }
    throw this.#error("a number of at most 10 bytes", "more");
  }

  /** A tag or a length. */
  #varint32(end: number): number {
    this.#varint(end);
    if (this.#high !== 0) throw this.#error("a length below 2^32", "more");
    return this.#low;
  }

  #advance(count: number, end: number): number {
    const start = this.#at;
    if (start + count > end) throw this.#error(`${count} bytes of a number`, "the end");
    this.#at = start + count;
    return start;
  }

  #skip(wireType: number, end: number): void {
    if (wireType === wire.varint) this.#varint(end);
    else if (wireType === wire.fixed64) this.#advance(8, end);
    else if (wireType === wire.fixed32) this.#advance(4, end);
    else if (wireType === wire.bytes) this.#advance(this.#varint32(end), end);
    else throw this.#error("a wire type of 0, 1, 2 or 5", String(wireType));
  }

  #error(expected: string, received: string): FormatError {
    return new FormatError({
      expected,
      received: `${received} at byte ${this.#at}`,
      remedy: "the file is damaged or is not ONNX",
    });
  }
}

interface List {
  push(value: unknown): void;
  finish(): unknown;
}

const typedArrays = {
  float: Float32Array,
  double: Float64Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
} as const;

function typedArrayFor(kind: Kind): TypedArrayConstructor | undefined {
  if (typeof kind !== "string" || !Object.hasOwn(typedArrays, kind)) return undefined;
  return typedArrays[kind as keyof typeof typedArrays] as unknown as TypedArrayConstructor;
}

/** Absent repeated fields share one empty list of their kind. */
const empty = new Map<Kind | undefined, unknown>([[undefined, Object.freeze([])]]);
for (const [kind, make] of Object.entries(typedArrays)) empty.set(kind as Kind, new make(0));

function emptyOf(kind: Kind): unknown {
  return empty.get(kind) ?? empty.get(undefined);
}

function newList(kind: Kind, budget: MemoryBudget): List {
  const make = typedArrayFor(kind);
  if (make !== undefined) return new TypedList(make, budget);
  const values: unknown[] = [];
  return {
    push(value) {
      budget.charge(cost.slot);
      values.push(value);
    },
    finish: () => values,
  };
}

interface TypedArray {
  [index: number]: number | bigint;
  readonly length: number;
  readonly BYTES_PER_ELEMENT: number;
  set(from: ArrayLike<number | bigint>): void;
  slice(start: number, end: number): TypedArray;
}
type TypedArrayConstructor = new (length: number) => TypedArray;

/** Repeated numbers, whose count the wire does not tell beforehand. */
class TypedList implements List {
  #array: TypedArray;
  #length = 0;

  constructor(
    readonly make: TypedArrayConstructor,
    readonly budget: MemoryBudget,
  ) {
    this.#array = new make(4);
  }

  push(value: unknown): void {
    if (this.#length === this.#array.length) this.#grow();
    this.#array[this.#length++] = value as number | bigint;
  }

  finish(): TypedArray {
    return this.#array.slice(0, this.#length);
  }

  #grow(): void {
    const larger = new this.make(2 * this.#array.length);
    this.budget.charge(larger.length * larger.BYTES_PER_ELEMENT);
    larger.set(this.#array as ArrayLike<number | bigint>);
    this.#array = larger;
  }
}
