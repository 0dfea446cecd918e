import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FormatError, UserError } from "#repvgg/core/errors.js";
import { bytesPerElement, type DType, elementCount, type NamedArray } from "#repvgg/core/named-arrays.js";
import { arrayFromBytes } from "#repvgg/formats/array-bytes.js";
import { writeFileAtomically } from "#repvgg/formats/atomic-write.node.js";
import type { ByteSource } from "#repvgg/formats/byte-source.js";
import { FileSource } from "#repvgg/formats/file-source.node.js";
import { type MemoryBudget, memoryCost } from "#repvgg/formats/memory-budget.js";
import { readSafetensorsFile, writeSafetensorsFile } from "#repvgg/formats/safetensors/file.node.js";
import { parseHeader } from "#repvgg/formats/safetensors/header.js";
import { readSafetensors } from "#repvgg/formats/safetensors/read.js";
import { safetensorsChunks, writeSafetensors } from "#repvgg/formats/safetensors/write.js";
import { oracle, oraclePath } from "./fixtures.js";

const dtypes = Object.keys(bytesPerElement) as DType[];

function pattern(dtype: DType, shape: readonly number[]): NamedArray {
  const bytes = Uint8Array.from(
    { length: elementCount(shape) * bytesPerElement[dtype] },
    (_, i) => (i * 37 + 11) & 0xff,
  );
  return arrayFromBytes(dtype, shape, bytes);
}

/** A file with any header text, true length field, and `dataBytes` zero bytes of data. */
function fileWith(header: string, dataBytes = 0): Uint8Array {
  const json = new TextEncoder().encode(header);
  const file = new Uint8Array(8 + json.length + dataBytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  return file;
}

const f32 = (shape: string, offsets: string): string => `{"dtype":"F32","shape":${shape},"data_offsets":${offsets}}`;

function manyEmpty(count: number): string {
  return `{${Array.from({ length: count }, (_, i) => `"${i}":${f32("[0]", "[0,0]")}`).join(",")}}`;
}

describe("reading files of the reference implementation", () => {
  test("inputs and outputs of a model", () => {
    const { arrays } = readSafetensors(oracle("block-acb-io.safetensors"));
    expect([...arrays].map(([name, a]) => [name, a.dtype, a.shape])).toEqual([
      ["x", "f32", [2, 16, 12, 12]],
      ["y", "f32", [2, 24, 12, 12]],
    ]);
    const x = arrays.get("x")!.data as Float32Array;
    const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
    expect(Math.abs(mean)).toBeLessThan(0.1); // standard normal noise: wrong bytes would give huge values
    expect(x.every((value) => Math.abs(value) < 6)).toBe(true);
  });

  test("float64 and int64 with metadata", () => {
    const { arrays, metadata } = readSafetensors(oracle("tiny-train-steps-f64.safetensors"));
    expect(Object.keys(metadata).length).toBeGreaterThan(0);
    expect(arrays.get("step0.loss")!.dtype).toBe("f64");
    const labels = arrays.get("step0.labels")!;
    expect(labels.dtype).toBe("i64");
    expect([...(labels.data as BigInt64Array)].every((label) => label >= 0n && label < 10n)).toBe(true);
  });

  test("aligned data is not copied, unaligned data is", () => {
    const file = writeSafetensors(new Map([["a", pattern("f32", [3])]]));
    const { arrays } = readSafetensors(file);
    expect(arrays.get("a")!.data.buffer).toBe(file.buffer);
    const shifted = new Uint8Array(file.length + 1);
    shifted.set(file, 1);
    const again = readSafetensors(shifted.subarray(1)).arrays.get("a")!;
    expect(again.data.buffer).not.toBe(shifted.buffer);
    expect(again).toEqual(arrays.get("a"));
  });
});

describe("round trip", () => {
  test("every element type, scalars, empty arrays, in order and aligned", () => {
    const arrays = new Map<string, NamedArray>();
    for (const dtype of [...dtypes].reverse()) {
      arrays.set(`${dtype}.scalar`, pattern(dtype, []));
      arrays.set(`${dtype}.odd`, pattern(dtype, [3, 1, 5]));
      arrays.set(`${dtype}.empty`, pattern(dtype, [0, 7]));
    }
    const metadata = { format: "pt", 'quote"\n': "ü 😀" };
    const file = writeSafetensors(arrays, metadata);
    const back = readSafetensors(file);
    expect([...back.arrays]).toEqual([...arrays]);
    expect(back.metadata).toEqual(metadata);
    for (const { data } of back.arrays.values()) expect(data.buffer).toBe(file.buffer);
  });

  test("element types have the reference implementation's names, headers its fields", () => {
    const names: Readonly<Record<DType, string>> = {
      ...{ f64: "F64", f32: "F32", f16: "F16", bf16: "BF16", i64: "I64", i32: "I32", i16: "I16", i8: "I8" },
      ...{ u64: "U64", u32: "U32", u16: "U16", u8: "U8", bool: "BOOL" },
    };
    expect(Object.keys(names).sort()).toEqual([...dtypes].sort());
    for (const dtype of dtypes) {
      const width = bytesPerElement[dtype];
      const header = `{"__metadata__":{"k":"v"},"w":{"dtype":"${names[dtype]}","shape":[2,1],"data_offsets":[0,${2 * width}]}}`;
      const length = Math.ceil(header.length / 8) * 8;
      const file = fileWith(header.padEnd(length), 2 * width);
      file.set(new Uint8Array(2 * width).fill(1), 8 + length);
      const array = arrayFromBytes(dtype, [2, 1], new Uint8Array(2 * width).fill(1));
      expect(writeSafetensors(new Map([["w", array]]), { k: "v" })).toEqual(file);
      expect([...readSafetensors(file).arrays]).toEqual([["w", array]]);
    }
  });

  test("random names, shapes and types", () => {
    const entry = fc.tuple(fc.constantFrom(...dtypes), fc.array(fc.nat(4), { maxLength: 4 }));
    const name = fc.string({ unit: "grapheme" }).filter((text) => text !== "__metadata__");
    fc.assert(
      fc.property(fc.dictionary(name, entry), (entries) => {
        const arrays = new Map(Object.entries(entries).map(([key, [dtype, shape]]) => [key, pattern(dtype, shape)]));
        expect([...readSafetensors(writeSafetensors(arrays)).arrays]).toEqual([...arrays]);
      }),
      { numRuns: 300, seed: 1 },
    );
  });

  test("chunks ask for each array once, when its turn comes", () => {
    const arrays = new Map([
      ["small", pattern("u8", [3])],
      ["wide", pattern("f64", [2])],
    ]);
    const asked: string[] = [];
    const chunks = [
      ...safetensorsChunks(arrays, {}, (name) => {
        asked.push(name);
        return arrays.get(name)!;
      }),
    ];
    expect(asked).toEqual(["wide", "small"]);
    expect(chunks[0]!.length % 8).toBe(0);
    expect(chunks.reduce((sum, chunk) => sum + chunk.length, 0)).toBe(writeSafetensors(arrays).length);
  });

  test("an array other than announced, and the reserved name, are refused", () => {
    const specs = new Map([["a", { dtype: "f32" as const, shape: [2] }]]);
    expect(() => [...safetensorsChunks(specs, {}, () => pattern("f32", [3]))]).toThrow(/2 elements of f32.*3 of f32/);
    expect(() => [...safetensorsChunks(specs, {}, () => pattern("i32", [2]))]).toThrow(UserError);
    expect(() => writeSafetensors(new Map([["__metadata__", pattern("f32", [1])]]))).toThrow(/reserves/);
  });
});

describe("broken files give a FormatError that says what is wrong", () => {
  const cases: [string, Uint8Array, RegExp][] = [
    ["empty file", new Uint8Array(0), /received an empty file: .*fetch the file again/],
    ["seven bytes", Uint8Array.of(1, 2, 3, 4, 5, 6, 7), /expected 8 bytes of header length, received 7 bytes/],
    ["eight bytes of nothing", new Uint8Array(8), /received zeros at its beginning/],
    [
      "eight bytes that claim one more",
      Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0),
      /at most 0 bytes, received a claim of 1 /,
    ],
    [
      "a claim of 2^60 bytes",
      Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0x10, 0x7b, 0x7d),
      /expected a header of at most 2 bytes, received a claim of 1152921504606846976 bytes/,
    ],
    [
      "truncated header",
      fileWith("{}").subarray(0, 9),
      /expected a header of at most 1 bytes, received a claim of 2 bytes: .*cut short/,
    ],
    ["not an object", fileWith("[]"), /begins with \{/],
    ["leading space", fileWith(" {}"), /begins with \{/],
    ["not UTF-8", Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0xff, 0x7d), /UTF-8/],
    [
      "text after the object",
      fileWith("{} x"),
      /expected nothing but spaces after the header's object, received "x" at character 3 of/,
    ],
    ["unfinished object", fileWith("{"), /expected """, received the end at character 1 of/],
    ["unfinished string", fileWith('{"a'), /expected a string to end with a quote, received the end at character 3 of/],
    [
      "a control character",
      fileWith('{"a\n":1}'),
      /expected a string to end with a quote, received a control character at character 3 of/,
    ],
    ["a bad escape", fileWith('{"\\x":1}'), /expected valid escapes in a string, received "\\\\x" at/],
    ["tensor is a number", fileWith('{"a":1}'), /expected "\{", received "1" at character 5 of/],
    [
      "missing dtype",
      fileWith('{"a":{"shape":[],"data_offsets":[0,4]}}', 4),
      /expected dtype, shape and two data_offsets for tensor "a", received an entry without them at/,
    ],
    [
      "unknown key",
      fileWith('{"a":{"dtype":"F32","strides":[]}}'),
      /expected only dtype, shape and data_offsets for tensor "a", received the key "strides" at/,
    ],
    [
      "three offsets",
      fileWith(`{"a":${f32("[1]", "[0,4,8]")}}`, 8),
      /expected dtype, shape and two data_offsets for tensor "a", received an entry without them at/,
    ],
    [
      "unknown element type",
      fileWith('{"a":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}}', 4),
      /F8_E4M3.*convert/,
    ],
    [
      "duplicate tensor",
      fileWith(`{"a":${f32("[1]", "[0,4]")},"a":${f32("[1]", "[0,4]")}}`, 4),
      /expected every key once, received a second "a" at/,
    ],
    [
      "duplicate by escape",
      fileWith(`{"a":${f32("[1]", "[0,4]")},"\\u0061":${f32("[1]", "[0,4]")}}`, 4),
      /expected every key once, received a second "a" at/,
    ],
    [
      "duplicate field",
      fileWith('{"a":{"dtype":"F32","dtype":"F32"}}'),
      /expected every key once, received a second "dtype" at/,
    ],
    [
      "duplicate metadata",
      fileWith('{"__metadata__":{"k":"1","k":"2"}}'),
      /expected every key once, received a second "k" at/,
    ],
    ["metadata that is not text", fileWith('{"__metadata__":{"k":1}}'), /expected """, received "1" at/],
    [
      "negative size",
      fileWith(`{"a":${f32("[-1]", "[0,4]")}}`, 4),
      /expected a whole number from 0 to 2\^53 - 1, received "-" at/,
    ],
    ["fraction", fileWith(`{"a":${f32("[1.5]", "[0,4]")}}`, 4), /expected "\]", received "\." at/],
    ["exponent", fileWith(`{"a":${f32("[1e1]", "[0,40]")}}`, 40), /expected "\]", received "e" at/],
    [
      "leading zero",
      fileWith(`{"a":${f32("[01]", "[0,4]")}}`, 4),
      /expected a whole number from 0 to 2\^53 - 1, received "01" at/,
    ],
    ["size beyond 2^53", fileWith(`{"a":${f32("[9007199254740993]", "[0,4]")}}`, 4), /2\^53/],
    ["overflowing shape", fileWith(`{"a":${f32("[4294967296,4294967296,4294967296]", "[0,4]")}}`, 4), /2\^53/],
    ["overflow hidden by a zero", fileWith(`{"a":${f32("[4294967296,4294967296,4294967296,0]", "[0,0]")}}`), /2\^53/],
    ["a hundred dimensions", fileWith(`{"a":${f32(`[${"1,".repeat(99)}1]`, "[0,4]")}}`, 4), /64 dimensions.*100/],
    [
      "shape does not fill the span",
      fileWith(`{"a":${f32("[2]", "[0,4]")}}`, 4),
      /expected 8 bytes for "a" of shape \[2\] and type F32, received 4 bytes$/,
    ],
    [
      "offsets out of range",
      fileWith(`{"a":${f32("[2]", "[0,8]")}}`, 4),
      /expected data offsets of "a" within 4 bytes, received \[0, 8\]: /,
    ],
    ["end before begin", fileWith(`{"a":${f32("[1]", "[4,0]")}}`, 4), /\[4, 0\]/],
    [
      "overlap",
      fileWith(`{"a":${f32("[2]", "[0,8]")},"b":${f32("[2]", "[4,12]")}}`, 12),
      /expected data of "b" to begin at byte 8, without overlap, received byte 4$/,
    ],
    [
      "hole",
      fileWith(`{"a":${f32("[1]", "[0,4]")},"b":${f32("[1]", "[8,12]")}}`, 12),
      /expected data of "b" to begin at byte 4, without hole, received byte 8$/,
    ],
    ["hole at the start", fileWith(`{"a":${f32("[1]", "[4,8]")}}`, 8), /hole/],
    [
      "bytes left over",
      fileWith(`{"a":${f32("[1]", "[0,4]")}}`, 8),
      /expected 4 bytes of data, as the header says, received 8 bytes$/,
    ],
    ["a hundred thousand empty tensors", fileWith(manyEmpty(100_000)), /in proportion/],
    ["a million brackets", fileWith(`{"a":${"[".repeat(1e6)}`), /"\{"/],
    ["a million braces", fileWith('{"a":'.repeat(1e5)), /only dtype, shape/],
    ["a million brackets as shape", fileWith(`{"a":{"shape":${"[".repeat(1e6)}`), /whole number/],
  ];
  test.each(cases)("%s", (_, file, message) => {
    expect(() => readSafetensors(file)).toThrow(FormatError);
    expect(() => readSafetensors(file)).toThrow(message);
  });

  test("a header takes at most 100 MB, as in the reference implementation, read or written", () => {
    const claiming = (length: number): ByteSource => {
      const beginning = Uint8Array.of(...new Uint8Array(new BigUint64Array([BigInt(length)]).buffer), 0x7b);
      return {
        size: 2 ** 40,
        bytes: (from, to) => {
          if (to <= 9) return beginning.slice(from, to);
          throw new Error(`read from ${from} to ${to}`);
        },
      } as ByteSource;
    };
    expect(() => readSafetensors(claiming(100_000_000))).toThrow(/^read from 8 to 100000008$/);
    expect(() => readSafetensors(claiming(100_000_001))).toThrow(
      /expected a header of at most 100000000 bytes, received 100000001 bytes$/,
    );
    expect(() => writeSafetensors(new Map(), { key: "x".repeat(100_000_000) })).toThrow(
      /names and metadata of at most 100000000 bytes, as safetensors allows, received 100000032 bytes$/,
    );
  });

  test("what a header takes of memory is asked for value by value, before it is taken", () => {
    const charges: number[] = [];
    const budget = { charge: (bytes: number) => charges.push(bytes) } as unknown as MemoryBudget;
    const { dictionary, entry, string, list, slot } = memoryCost;
    const text = (length: number): number => entry + string + length;
    parseHeader(`{"__metadata__":{"a":"bc"},"w":${f32("[1,2]", "[0,8]")},"none":${f32("[]", "[8,12]")}}`, budget);
    const offsets = [text("data_offsets".length), list, slot, slot];
    expect(charges).toEqual([
      ...[dictionary, text("__metadata__".length), dictionary, text(1), text(2)],
      ...[text(1), dictionary, text(5), text(3), text(5), list, slot, slot, ...offsets],
      ...[text(4), dictionary, text(5), text(3), text(5), ...offsets],
    ]);
    const [shortest, longer] = [1, 2].map((letters) => {
      charges.length = 0;
      parseHeader(`{"${"a".repeat(letters)}":${f32("[]", "[0,4]")}}`, budget);
      return charges.reduce((sum, bytes) => sum + bytes);
    });
    expect(longer).toBe(shortest! + 1);
  });

  test("a tensor named __proto__ and metadata of that name are only names", () => {
    const file = fileWith(`{"__metadata__":{"__proto__":"x"},"__proto__":${f32("[1]", "[0,4]")}}`, 4);
    const { arrays, metadata } = readSafetensors(file);
    expect([...arrays.keys()]).toEqual(["__proto__"]);
    expect(Object.entries(metadata)).toEqual([["__proto__", "x"]]);
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  });
});

describe("files", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "repvgg-formats-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  test("write, read, replace", async () => {
    const path = join(folder, "model.safetensors");
    const first = new Map([["a", pattern("f32", [2, 2])]]);
    const second = new Map([["b", pattern("bf16", [5])]]);
    await writeSafetensorsFile(path, first, { form: "train" });
    expect(await readSafetensorsFile(path)).toEqual({ arrays: first, metadata: { form: "train" } });
    await writeSafetensorsFile(path, second);
    expect((await readSafetensorsFile(path)).arrays).toEqual(second);
    expect(await readdir(folder)).toEqual(["model.safetensors"]);
  });

  test("a full disk leaves the old file and no temporary one, and says what to do", async () => {
    const path = join(folder, "model.safetensors");
    await writeFile(path, "old");
    function* fillDisk(): Generator<Uint8Array> {
      yield new Uint8Array(1000);
      throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    }
    const failure = writeFileAtomically(path, fillDisk());
    await expect(failure).rejects.toThrow(UserError);
    await expect(failure).rejects.toThrow(/to write .*model\.safetensors, received a full disk: free some disk space/);
    expect(await readFile(path, "utf8")).toBe("old");
    expect(await readdir(folder)).toEqual(["model.safetensors"]);
  });

  test("a missing folder, a folder as file, a missing file, and a broken file are named", async () => {
    await expect(writeSafetensorsFile(join(folder, "no", "x"), new Map())).rejects.toThrow(
      /no such file or folder.*folder must exist/,
    );
    await expect(readSafetensorsFile(folder)).rejects.toThrow(/expected a file/);
    await expect(readSafetensorsFile(join(folder, "none"))).rejects.toThrow(/to read .*none.*no such file or folder/);
    await writeFile(join(folder, "cut"), oracle("tiny-io.safetensors").subarray(0, 5000));
    const cut = readSafetensorsFile(join(folder, "cut"));
    await expect(cut).rejects.toThrow(FormatError);
    await expect(cut).rejects.toThrow(/cut: the file is cut short/);
  });

  test("an open file gives what its bytes in memory give, and its faults", async () => {
    const arrays = new Map(dtypes.map((dtype) => [dtype as string, pattern(dtype, [2, 3])]));
    const bytes = writeSafetensors(arrays, { form: "train" });
    const path = join(folder, "all.safetensors");
    const opened = async <T>(content: Uint8Array, use: (source: FileSource) => T): Promise<T> => {
      await writeFile(path, content);
      const source = FileSource.open(path);
      try {
        return use(source);
      } finally {
        source.close();
      }
    };
    const plain = ({ arrays: read, metadata }: ReturnType<typeof readSafetensors>) => ({
      arrays: [...read].map(([name, { dtype, shape, data }]) => [name, dtype, shape, data]),
      metadata,
    });
    expect(await opened(bytes, (source) => plain(readSafetensors(source)))).toEqual(plain(readSafetensors(bytes)));
    for (const length of [0, 7, 8, 9, 20, bytes.length - 1]) {
      const cut = bytes.subarray(0, length);
      const read = (file: Parameters<typeof readSafetensors>[0]): string => {
        try {
          readSafetensors(file);
          return "read";
        } catch (error) {
          return (error as Error).message;
        }
      };
      expect(await opened(cut, read), `${length} bytes`).toBe(read(cut));
      expect(read(cut)).not.toBe("read");
    }
  });

  test("reads an oracle from its path", async () => {
    expect((await readSafetensorsFile(oraclePath("tiny-io.safetensors"))).arrays.size).toBeGreaterThan(0);
  });
});
