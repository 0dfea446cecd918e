import { FormatError } from "../../core/errors.js";
import { type ByteSource, MemorySource } from "../byte-source.js";
import { memoryCost as cost, MemoryBudget } from "../memory-budget.js";
import { emptyOf, type List, newList } from "./repeated.js";
import { type Field, isNumberKind, type Kind, type NumberKind, type Schema, wire, wireTypeOf } from "./schema.js";
import { type StoredBytes, storedInFile } from "./stored-bytes.js";

/** Graphs in attributes of nodes of graphs …: deeper ones are an attack on the stack. */
const maxDepth = 100;

type Decoded = Record<string, unknown>;

/** So much of a file is read at a time; tensors that are larger stay in it. */
const windowBytes = 2 ** 16;

/**
 * Decodes one protobuf message (https://protobuf.dev/programming-guides/encoding) by its schema. `bytes` fields are views of the
 * source's memory, `data` fields of more than a window stay in a source that is not in memory.
 * Repeated fields that are absent are empty, others absent stay absent.
 * @throws FormatError when the bytes are no such message.
 */
export function decodeMessage(schema: Schema, source: ByteSource): Decoded {
  return new WireReader(source, new MemoryBudget(source.size, "the ONNX file")).message(schema, source.size, 0);
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

class WireReader {
  #at = 0;
  readonly #inMemory: boolean;
  /** The part of the source that is at hand: the whole of one that is in memory. */
  #window: Uint8Array = new Uint8Array(0);
  #windowStart = 0;
  #windowEnd = 0;
  #view = new DataView(this.#window.buffer);

  constructor(
    readonly source: ByteSource,
    readonly budget: MemoryBudget,
  ) {
    this.#inMemory = source instanceof MemorySource;
    if (this.#inMemory) this.#load(0, source.size);
  }

  #load(from: number, to: number): void {
    this.#window = this.source.bytes(from, to);
    this.#view = new DataView(this.#window.buffer, this.#window.byteOffset, this.#window.byteLength);
    [this.#windowStart, this.#windowEnd] = [from, to];
  }

  /** The bytes [from, to) of the source, which lie within it. */
  #bytes(from: number, to: number): Uint8Array {
    if (from < this.#windowStart || to > this.#windowEnd) {
      this.budget.charge(to - from);
      this.#load(from, Math.min(this.source.size, Math.max(to, from + windowBytes)));
    }
    return this.#window.subarray(from - this.#windowStart, to - this.#windowStart);
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
      unknown.push(this.#bytes(start, this.#at));
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

  #slice(kind: Kind, end: number, what: string): string | Uint8Array | StoredBytes {
    const start = this.#at;
    this.#at = end;
    if (kind === "data" && !this.#inMemory && end - start > windowBytes) {
      this.budget.charge(cost.view);
      return storedInFile(this.source, start, end);
    }
    const bytes = this.#bytes(start, end);
    if (kind !== "string") {
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
      case "float": {
        const place = this.#inWindow(this.#advance(4, end), 4);
        return this.#view.getFloat32(place, true);
      }
      case "double": {
        const place = this.#inWindow(this.#advance(8, end), 8);
        return this.#view.getFloat64(place, true);
      }
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
      const place = this.#inWindow(this.#at++, 1);
      const byte = this.#window[place]!;
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

  /** The place in the window of a position, where so many bytes are at hand from it on. Moves the window: ask before you look at it. */
  #inWindow(position: number, count: number): number {
    if (position < this.#windowStart || position + count > this.#windowEnd) this.#bytes(position, position + count);
    return position - this.#windowStart;
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
