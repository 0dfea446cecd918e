import { UserError } from "../../core/errors.js";
import { type Field, isNumberKind, type NumberKind, type Schema, wire, wireTypeOf } from "./schema.js";
import type { StoredBytes } from "./stored-bytes.js";

/** Protobuf messages end at 2 GiB. */
export const maxMessageBytes = 2 ** 31 - 1;

type Values = ArrayLike<number | bigint>;

/**
 * Encodes a record as one protobuf message, by its schema: fields in the order of their numbers, repeated numbers packed,
 * unknown fields last. Large byte fields are chunks of their own, on the record's memory; what is stored elsewhere is asked for when
 * its turn comes.
 * @returns the message's size, and its chunks: each is valid until the second one after it is asked for
 * @throws UserError when the message would pass 2 GiB.
 */
export function encodeMessage(
  schema: Schema,
  record: object,
): { readonly size: number; readonly chunks: Iterable<Uint8Array> } {
  const sizes = new Map<object, number>();
  const size = messageSize(schema, record as Record<string, unknown>, sizes);
  if (size > maxMessageBytes) {
    throw new UserError({
      expected: "a model of at most 2 GiB, as protobuf allows",
      received: `${size} bytes`,
      remedy: "write safetensors, or convert it to f16",
    });
  }
  const sink = new ChunkSink();
  writeMessage(schema, record as Record<string, unknown>, sizes, sink);
  return { size, chunks: inTurn(sink.finish()) };
}

function* inTurn(parts: readonly (Uint8Array | StoredBytes)[]): Generator<Uint8Array, void> {
  for (const part of parts) {
    if (part instanceof Uint8Array) yield part;
    else yield* part.chunks();
  }
}

/** Every occurrence of a field that a record has, with its value; packed numbers as one. */
function* occurrences(schema: Schema, record: Record<string, unknown>): Generator<[Field, unknown]> {
  for (const field of schema.fields) {
    const value = record[field.name];
    if (value === undefined) continue;
    if (!field.repeated) yield [field, value];
    else if (!isNumberKind(field.kind)) for (const item of value as readonly unknown[]) yield [field, item];
    else if ((value as Values).length > 0) yield [field, value];
  }
}

function messageSize(schema: Schema, record: Record<string, unknown>, sizes: Map<object, number>): number {
  let size = 0;
  for (const [{ number, kind, repeated }, value] of occurrences(schema, record)) {
    size += varintSize(number << 3);
    if (isNumberKind(kind)) {
      const content = repeated ? sum(value as Values, (item) => numberSize(kind, item)) : 0;
      size += repeated ? varintSize(content) + content : numberSize(kind, value as number | bigint);
      if (repeated) sizes.set(value as object, content);
    } else {
      const content =
        typeof kind === "function"
          ? messageSize(kind(), value as Record<string, unknown>, sizes)
          : typeof value === "string"
            ? utf8Size(value)
            : (value as Uint8Array | StoredBytes).length;
      size += varintSize(content) + content;
    }
  }
  for (const bytes of unknownFields(record)) size += bytes.length;
  sizes.set(record, size);
  return size;
}

function writeMessage(
  schema: Schema,
  record: Record<string, unknown>,
  sizes: ReadonlyMap<object, number>,
  sink: ChunkSink,
): void {
  for (const [{ number, kind, repeated }, value] of occurrences(schema, record)) {
    const single = isNumberKind(kind) && !repeated;
    sink.varint((number << 3) | (single ? wireTypeOf(kind) : wire.bytes));
    if (isNumberKind(kind)) {
      if (repeated) sink.varint(sizes.get(value as object)!);
      for (const item of repeated ? Array.from(value as Values) : [value as number | bigint])
        writeNumber(kind, item, sink);
    } else if (typeof kind === "function") {
      sink.varint(sizes.get(value as object)!);
      writeMessage(kind(), value as Record<string, unknown>, sizes, sink);
    } else {
      const bytes = typeof value === "string" ? new TextEncoder().encode(value) : (value as Uint8Array | StoredBytes);
      sink.varint(bytes.length);
      sink.bytes(bytes);
    }
  }
  for (const bytes of unknownFields(record)) sink.bytes(bytes);
}

function unknownFields(record: Record<string, unknown>): readonly Uint8Array[] {
  return (record.unknown as readonly Uint8Array[] | undefined) ?? [];
}

function numberSize(kind: NumberKind, value: number | bigint): number {
  return kind === "float" ? 4 : kind === "double" ? 8 : varintSize(value);
}

function writeNumber(kind: NumberKind, value: number | bigint, sink: ChunkSink): void {
  if (kind === "float") sink.float32(value as number);
  else if (kind === "double") sink.float64(value as number);
  else sink.varint(value);
}

/** Bytes of a varint; negative numbers take ten, as their 64-bit two's complement. */
function varintSize(value: number | bigint): number {
  if (value < 0) return 10;
  let size = 1;
  if (typeof value === "number") for (let rest = value; rest >= 128; rest /= 128) size++;
  else for (let rest = value; rest >= 128n; rest >>= 7n) size++;
  return size;
}

function utf8Size(text: string): number {
  return new TextEncoder().encode(text).length;
}

function sum(values: Values, of: (value: number | bigint) => number): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += of(values[i]!);
  return total;
}

/** Collects small writes in one buffer and passes large runs of bytes through. */
class ChunkSink {
  readonly #chunks: (Uint8Array | StoredBytes)[] = [];
  #buffer = new Uint8Array(64 * 1024);
  #view = new DataView(this.#buffer.buffer);
  #at = 0;

  varint(value: number | bigint): void {
    this.#reserve(10);
    if (typeof value === "number" && value >= 0 && value < 2 ** 31) {
      let rest = value;
      for (; rest >= 128; rest >>>= 7) this.#buffer[this.#at++] = (rest & 127) | 128;
      this.#buffer[this.#at++] = rest;
      return;
    }
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest >= 128n; rest >>= 7n) this.#buffer[this.#at++] = Number(rest & 127n) | 128;
    this.#buffer[this.#at++] = Number(rest);
  }

  float32(value: number): void {
    this.#reserve(4);
    this.#view.setFloat32(this.#at, value, true);
    this.#at += 4;
  }

  float64(value: number): void {
    this.#reserve(8);
    this.#view.setFloat64(this.#at, value, true);
    this.#at += 8;
  }

  bytes(bytes: Uint8Array | StoredBytes): void {
    if (bytes.length > 4096 || !(bytes instanceof Uint8Array)) {
      this.#flush();
      this.#chunks.push(bytes);
      return;
    }
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  finish(): (Uint8Array | StoredBytes)[] {
    this.#flush();
    return this.#chunks;
  }

  #reserve(count: number): void {
    if (this.#at + count > this.#buffer.length) this.#flush();
  }

  /** The rest of the buffer serves on; what is written stays where it is. */
  #flush(): void {
    if (this.#at === 0) return;
    this.#chunks.push(this.#buffer.subarray(0, this.#at));
    const rest = this.#buffer.length - this.#at;
    this.#buffer = rest >= 8192 ? this.#buffer.subarray(this.#at) : new Uint8Array(64 * 1024);
    this.#view = new DataView(this.#buffer.buffer, this.#buffer.byteOffset, this.#buffer.length);
    this.#at = 0;
  }
}
