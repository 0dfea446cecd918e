import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { describe, expect, test } from "vitest";
import { FormatError, UserError } from "#repvgg/core/errors.js";
import { type ByteSource, MemorySource } from "#repvgg/formats/byte-source.js";
import { type NumberKind, schema } from "#repvgg/formats/onnx/schema.js";
import { decodeMessage } from "#repvgg/formats/onnx/wire-read.js";
import { encodeMessage } from "#repvgg/formats/onnx/wire-write.js";

const kinds = ["float", "double", "int32", "int64", "uint64", "size"] as const satisfies NumberKind[];
const child = schema("Child", { text: [1, "string"], many: [2, "int64", "repeated"] });
const all = schema("All", {
  ...{ float: [1, "float"], double: [2, "double"], int32: [3, "int32"], int64: [4, "int64"], uint64: [5, "uint64"] },
  ...{ size: [6, "size"], text: [7, "string"], bytes: [8, "bytes"], data: [9, "data"], child: [10, () => child] },
  ...{
    texts: [107, "string", "repeated"],
    blobs: [108, "bytes", "repeated"],
    children: [110, () => child, "repeated"],
  },
  ...{ floats: [201, "float", "repeated"], doubles: [202, "double", "repeated"], int32s: [203, "int32", "repeated"] },
  ...{ int64s: [204, "int64", "repeated"], uint64s: [205, "uint64", "repeated"], sizes: [206, "size", "repeated"] },
});

const absent = {
  ...{ texts: [], blobs: [], children: [], floats: new Float32Array(0), doubles: new Float64Array(0) },
  ...{ int32s: new Int32Array(0), int64s: new BigInt64Array(0), uint64s: new BigUint64Array(0), sizes: [] },
};

function written(record: object): Uint8Array {
  const { size, chunks } = encodeMessage(all, record);
  const bytes = Buffer.concat([...chunks].map((chunk) => chunk.slice()));
  expect(size).toBe(bytes.length);
  return new Uint8Array(bytes);
}

/** A source that is not in memory: what it gave before is overwritten when it is asked again. */
class WindowSource implements ByteSource {
  readonly size: number;
  readonly #memory: Uint8Array;
  #last: Uint8Array = new Uint8Array(0);
  constructor(memory: Uint8Array) {
    [this.#memory, this.size] = [memory, memory.length];
  }
  bytes(from: number, to: number): Uint8Array {
    expect(from >= 0 && from <= to && to <= this.size).toBe(true);
    this.#last = this.#memory.slice(from, to);
    return this.#last;
  }
  array(...args: Parameters<ByteSource["array"]>): ReturnType<ByteSource["array"]> {
    return new MemorySource(this.#memory).array(...args);
  }
  slice(from: number, to: number): ByteSource {
    return new WindowSource(this.#memory.subarray(from, to));
  }
}

const read = (bytes: Uint8Array): object => decodeMessage(all, new MemorySource(bytes));
const readFromFile = (bytes: Uint8Array): object => decodeMessage(all, new WindowSource(bytes));

const powers = [0, 1, 7, 14, 21, 28, 31, 32, 35, 42, 49, 52];
const whole = [...new Set(powers.flatMap((p) => [2 ** p - 1, 2 ** p, 2 ** p + 1]))];
const values: Record<NumberKind, readonly (number | bigint)[]> = {
  float: [0, -0.5, 1.5, Number.POSITIVE_INFINITY, Number.NaN, Math.fround(1e-42)],
  double: [0, -0.1, 1e300, Number.NEGATIVE_INFINITY, Number.NaN, 5e-324],
  int32: [...whole.filter((v) => v < 2 ** 31), -1, -128, -(2 ** 31)],
  int64: [...whole.map(BigInt), -1n, -129n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 56n, 2n ** 62n],
  uint64: [...whole.map(BigInt), 2n ** 63n, 2n ** 64n - 1n],
  size: [...whole, Number.MAX_SAFE_INTEGER, -1, -300],
};

/** One number as the reference implementation writes it. */
function referenceNumber(writer: BinaryWriter, kind: NumberKind, value: number | bigint): BinaryWriter {
  if (kind === "float") return writer.float(value as number);
  if (kind === "double") return writer.double(value as number);
  if (kind === "int32") return writer.int32(value as number);
  return kind === "uint64" ? writer.uint64(value) : writer.int64(BigInt(value));
}

const wireType = (kind: NumberKind): WireType =>
  kind === "float" ? WireType.Bit32 : kind === "double" ? WireType.Bit64 : WireType.Varint;

describe.each(kinds)("%s", (kind) => {
  const number = all.fields.find(({ name }) => name === kind)!.number;

  test.each(values[kind].map((value) => [value]))("%s alone is written as protobuf does, and read", (value) => {
    const bytes = written({ [kind]: value });
    const wanted = referenceNumber(new BinaryWriter().tag(number, wireType(kind)), kind, value).finish();
    expect(Buffer.from(bytes).toString("hex")).toBe(Buffer.from(wanted).toString("hex"));
    for (const from of [read, readFromFile]) expect(from(bytes)).toEqual({ ...absent, [kind]: value });
  });

  test("all of them are written packed, and read packed or one by one", () => {
    const list = { ...absent, [`${kind}s`]: filled(kind, values[kind]) };
    const bytes = written(list);
    const writer = new BinaryWriter().tag(number + 200, WireType.LengthDelimited).fork();
    for (const value of values[kind]) referenceNumber(writer, kind, value);
    expect(Buffer.from(bytes).toString("hex")).toBe(Buffer.from(writer.join().finish()).toString("hex"));
    const one = new BinaryWriter();
    for (const value of values[kind]) referenceNumber(one.tag(number + 200, wireType(kind)), kind, value);
    const single = one.finish();
    for (const from of [read, readFromFile]) {
      expect(from(bytes)).toEqual(list);
      expect(from(single)).toEqual(list);
      expect(from(new Uint8Array([...single, ...bytes]))).toEqual({
        ...absent,
        [`${kind}s`]: filled(kind, [...values[kind], ...values[kind]]),
      });
    }
  });
});

function filled(kind: NumberKind, list: readonly (number | bigint)[]): unknown {
  if (kind === "size") return list;
  const make = {
    float: Float32Array,
    double: Float64Array,
    int32: Int32Array,
    int64: BigInt64Array,
    uint64: BigUint64Array,
  };
  return (make[kind] as unknown as { from(values: readonly unknown[]): unknown }).from(list);
}

describe("messages", () => {
  test("texts, bytes and messages, alone, repeated and empty, in the order of their numbers, unknown fields last", () => {
    const unknown = [new BinaryWriter().tag(99, WireType.Varint).uint32(7).finish()];
    const record = {
      ...{
        children: [{ text: "ü", many: BigInt64Array.of(1n, -1n) }, { many: new BigInt64Array(0) }],
        text: "",
        unknown,
      },
      ...{
        child: { text: "x".repeat(200), many: new BigInt64Array(0) },
        bytes: Uint8Array.of(1, 2),
        data: new Uint8Array(0),
      },
      ...{ blobs: [Uint8Array.of(), Uint8Array.of(255)], texts: ["", "😀"] },
    };
    const writer = new BinaryWriter();
    writer.tag(7, WireType.LengthDelimited).string("").tag(8, WireType.LengthDelimited).bytes(record.bytes);
    writer.tag(9, WireType.LengthDelimited).bytes(record.data).tag(10, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).string(record.child.text).join();
    for (const text of record.texts) writer.tag(107, WireType.LengthDelimited).string(text);
    for (const blob of record.blobs) writer.tag(108, WireType.LengthDelimited).bytes(blob);
    writer.tag(110, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).string("ü");
    writer.tag(2, WireType.LengthDelimited).fork().int64(1n).int64(-1n).join().join();
    writer.tag(110, WireType.LengthDelimited).fork().join();
    const bytes = written(record);
    expect(Buffer.from(bytes).toString("hex")).toBe(Buffer.from([...writer.finish(), ...unknown[0]!]).toString("hex"));
    for (const from of [read, readFromFile]) expect(from(bytes)).toEqual({ ...absent, ...record });
    expect(written({})).toEqual(new Uint8Array(0));
    expect(read(new Uint8Array(0))).toEqual(absent);
  });

  test.each([0, 1, 4095, 4096, 4097, 8192, 65_535, 65_536, 65_537, 200_000])(
    "byte fields of %i bytes, among many small ones that cross every buffer",
    (length) => {
      const large = Uint8Array.from({ length }, (_, i) => i * 7);
      const small = Array.from({ length: 3000 }, (_, i) => Uint8Array.from({ length: i % 60 }, (_, j) => i + j));
      const numbers = Float64Array.from({ length: 20_000 }, (_, i) => i / 3);
      const record = { ...absent, data: large, blobs: [...small, large, ...small], doubles: numbers };
      const bytes = written(record);
      for (const from of [read, readFromFile]) {
        const back = from(bytes) as typeof record & { data: { length: number; chunks?(): Iterable<Uint8Array> } };
        const data = back.data.chunks ? Buffer.concat([...back.data.chunks()]) : back.data;
        expect(Buffer.from(data as Uint8Array).equals(large)).toBe(true);
        expect(Buffer.concat(back.blobs).equals(Buffer.concat(record.blobs))).toBe(true);
        expect(back.blobs.map((blob) => blob.length)).toEqual(record.blobs.map((blob) => blob.length));
        expect(back.doubles).toEqual(numbers);
      }
    },
  );

  test("more than 2 GiB are refused before anything is written, exactly so many are not", () => {
    const data = (length: number) => ({
      length,
      array: () => expect.fail("nobody needs it"),
      *chunks(): Generator<Uint8Array> {},
    });
    const overhead = 1 + 5; // tag and length of the data
    expect(encodeMessage(all, { data: data(2 ** 31 - 1 - overhead) }).size).toBe(2 ** 31 - 1);
    expect(() => encodeMessage(all, { data: data(2 ** 31 - overhead) })).toThrow(UserError);
    expect(() => encodeMessage(all, { data: data(2 ** 31 - overhead) })).toThrow(/received 2147483648 bytes/);
  });

  const damaged: [string, number[], RegExp][] = [
    ["a varint that does not end", [0x20, 0x80], /a whole number, received the end at byte 2/],
    ["a varint of eleven bytes", [0x20, ...new Array(10).fill(0x80), 1], /a number of at most 10 bytes/],
    ["a float that is cut short", [0x0d, 0, 0, 0], /4 bytes of a number, received the end/],
    ["a double that is cut short", [0x11, 0, 0, 0, 0, 0, 0, 0], /8 bytes of a number, received the end/],
    ["a text that is cut short", [0x3a, 3, 65, 66], /3 bytes of All\.text, received the end after 2/],
    ["a text that is no UTF-8", [0x3a, 2, 0xc3, 0x28], /text in UTF-8 as All\.text/],
    ["a packed number beyond its field", [0xca, 0x0c, 2, 0, 0], /4 bytes of a number, received the end/],
    ["field number 0", [0x00, 0], /a field number in All, received 0/],
    ["a group", [0x3b], /a wire type of 0, 1, 2 or 5, received 3/],
    ["an unknown field that is cut short", [0xda, 0x05, 9, 0], /9 bytes of a number/],
    ["a message that comes twice", [0x52, 0, 0x52, 0], /All\.child once/],
    ["a length beyond 2³²", [0x3a, 0xff, 0xff, 0xff, 0xff, 0x1f], /a length below 2\^32/],
    [
      "a size beyond 2⁵³",
      [0x30, ...new Array(7).fill(0x80), 0x40],
      /a number below 2\^53, received 18014398509481984|a number below 2\^53/,
    ],
  ];
  test.each(damaged)("%s is refused", (_, bytes, message) => {
    for (const from of [read, readFromFile]) {
      expect(() => from(Uint8Array.from(bytes))).toThrow(FormatError);
      expect(() => from(Uint8Array.from(bytes))).toThrow(message);
    }
  });

  test("a known field of another wire type is unknown, and every kind of unknown field is kept", () => {
    const fields = [
      [0x08, 5], // a float as a varint
      [0x25, 1, 2, 3, 4], // an int64 as fixed32
      [0xd9, 0x05, 1, 2, 3, 4, 5, 6, 7, 8],
      [0xda, 0x05, 2, 9, 9],
    ];
    const { unknown } = read(Uint8Array.from(fields.flat())) as { unknown: Uint8Array[] };
    expect(unknown.map((bytes) => [...bytes])).toEqual(fields);
  });

  test("of a number or a text that comes twice the last one counts", () => {
    const twice = Uint8Array.of(0x3a, 1, 65, 0x3a, 1, 66, 0x42, 1, 7, 0x42, 1, 8, 0x18, 1, 0x18, 2);
    for (const from of [read, readFromFile])
      expect(from(twice)).toEqual({ ...absent, text: "B", bytes: Uint8Array.of(8), int32: 2 });
  });

  test("100 levels of messages are read, 101 are not", () => {
    const nested = schema("Nested", { inner: [1, () => nested] });
    const levels = (count: number): Uint8Array => {
      let bytes: number[] = [];
      for (let i = 0; i < count; i++)
        bytes = [...new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(Uint8Array.from(bytes)).finish()];
      return Uint8Array.from(bytes);
    };
    expect(() => decodeMessage(nested, new MemorySource(levels(100)))).not.toThrow();
    expect(() => decodeMessage(nested, new MemorySource(levels(101)))).toThrow(/at most 100 levels of messages/);
  });
});
