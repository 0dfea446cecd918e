import fs, { mkdtempSync, rmSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { deferredArray } from "#repvgg/core/deferred-array.js";
import { FormatError, UserError } from "#repvgg/core/errors.js";
import {
  bytesPerElement,
  type DType,
  elementCount,
  type NamedArray,
  storageConstructor,
} from "#repvgg/core/named-arrays.js";
import {
  arrayFromBytes,
  bytesAsAnnounced,
  bytesOfArray,
  checkedElementCount,
  chunksAsAnnounced,
  concatenate,
  deferredFromBytes,
  maxRank,
  quoted,
} from "#repvgg/formats/array-bytes.js";
import { ByteReader, cutShort } from "#repvgg/formats/byte-reader.js";
import { asSource, type ByteSource, MemorySource } from "#repvgg/formats/byte-source.js";
import { withContext } from "#repvgg/formats/error-context.js";
import { explainFileError } from "#repvgg/formats/file-errors.node.js";
import { FileSource } from "#repvgg/formats/file-source.node.js";
import { MemoryBudget, memoryCost } from "#repvgg/formats/memory-budget.js";
import { readFileBytes } from "#repvgg/formats/read-bytes.node.js";

const numbers = (count: number): Uint8Array => Uint8Array.from({ length: count }, (_, i) => (i * 37 + 11) % 251);

function fileOf(bytes: Uint8Array): string {
  const folder = mkdtempSync(join(tmpdir(), "repvgg-files-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "file"), bytes);
  return join(folder, "file");
}

describe("a reader of bytes", () => {
  const bytes = Uint8Array.of(
    0xff,
    1,
    0x80,
    0xfe,
    0xff,
    0xff,
    0xff,
    4,
    0,
    0,
    0x80,
    0xff,
    0xff,
    0xff,
    0xff,
    0xff,
    0xff,
    0x1f,
    0,
  );

  test("takes little-endian numbers one after another, wherever its memory begins", () => {
    for (const shift of [0, 3]) {
      const memory = new Uint8Array(bytes.length + shift);
      memory.set(bytes, shift);
      const reader = new ByteReader(memory.subarray(shift));
      expect([reader.uint8(), reader.uint16(), reader.int32(), reader.uint32()]).toEqual([255, 0x8001, -2, 0x80000004]);
      expect([reader.uint64(), reader.at]).toEqual([Number.MAX_SAFE_INTEGER, 19]);
      const more = new ByteReader(memory.subarray(shift), 3);
      expect(more.uint32()).toBe(0xfffffffe);
      expect([...more.take(2)]).toEqual([4, 0]);
      expect(more.take(0).length).toBe(0);
      expect(more.at).toBe(9);
    }
    const pi = new Uint8Array(9);
    new DataView(pi.buffer).setFloat64(1, Math.PI, false);
    expect(new ByteReader(pi, 1).float64BigEndian()).toBe(Math.PI);
  });

  test("takes lines without their ends", () => {
    const reader = new ByteReader(new TextEncoder().encode("ab\n\nc\nd"));
    const line = () => new TextDecoder().decode(reader.line());
    expect([line(), line(), line()]).toEqual(["ab", "", "c"]);
    expect(() => reader.line()).toThrow(
      /a line at byte 6 of the file, received the end after 1: the file is cut short/,
    );
  });

  test("never reads beyond the end, and says where it was", () => {
    const reads: [keyof ByteReader, number][] = [
      ...([
        ["uint8", 1],
        ["uint16", 2],
        ["uint32", 4],
        ["int32", 4],
        ["uint64", 8],
        ["float64BigEndian", 8],
      ] as const),
    ].map(([name, size]) => [name, size]);
    for (const [name, size] of reads) {
      const reader = new ByteReader(new Uint8Array(10), 11 - size, "the pickle");
      expect(() => (reader[name] as () => number)()).toThrow(FormatError);
      expect(() => (reader[name] as () => number)()).toThrow(
        `expected ${size} more bytes at byte ${11 - size} of the pickle, received the end after ${size - 1}`,
      );
      expect(
        (new ByteReader(new Uint8Array(10), 10 - size)[name] as () => number).call(
          new ByteReader(new Uint8Array(10), 10 - size),
        ),
      ).toBe(0);
    }
    expect(() => new ByteReader(new Uint8Array(3)).take(4)).toThrow(/4 more bytes at byte 0/);
    const beyond = Uint8Array.of(0, 0, 0, 0, 0, 0, 0x20, 0);
    expect(() => new ByteReader(beyond).uint64()).toThrow(/a size below 2\^53 in the file, received 9007199254740992/);
    expect(cutShort("x", 3, "y", 2).message).toMatch(/^expected x at byte 3 of y, received the end after 2: /);
  });
});

describe.each<[string, (bytes: Uint8Array) => ByteSource]>([
  ["memory", (bytes) => asSource(bytes)],
  ["memory that begins at an odd place", (bytes) => new MemorySource(new Uint8Array([7, ...bytes]).subarray(1))],
  ["a Node buffer", (bytes) => asSource(Buffer.from(bytes))],
  [
    "a file",
    (bytes) => {
      const source = FileSource.open(fileOf(bytes));
      onTestFinished(() => source.close());
      return source;
    },
  ],
])("a source in %s", (_, make) => {
  const bytes = numbers(200);

  test("gives its bytes, arrays of any type at any place, and parts of parts", () => {
    const source = make(bytes);
    expect(source.size).toBe(200);
    expect(asSource(source)).toBe(source);
    const check = (part: ByteSource, from: number, to: number): void => {
      expect(part.size).toBe(to - from);
      expect([...part.bytes(0, to - from)]).toEqual([...bytes.subarray(from, to)]);
      expect([...part.bytes(3, 5)]).toEqual([...bytes.subarray(from + 3, from + 5)]);
      expect(part.bytes(4, 4).length).toBe(0);
      for (const dtype of Object.keys(bytesPerElement) as DType[]) {
        for (const at of [0, 1, 8]) {
          const width = bytesPerElement[dtype];
          const array = part.array(dtype, [2, 1], at);
          expect([array.dtype, array.shape]).toEqual([dtype, [2, 1]]);
          const wanted = bytes.slice(from + at, from + at + 2 * width);
          expect(bytesOfArray(array)).toEqual(wanted);
          expect(array.data.constructor).toBe(storageConstructor[dtype]);
          if (array.fill) {
            const second = new storageConstructor[dtype](1);
            array.fill(second as never, 1);
            expect(bytesOfArray({ dtype, shape: [1], data: second } as NamedArray)).toEqual(wanted.slice(width));
          }
        }
      }
    };
    check(source, 0, 200);
    check(source.slice(5, 150), 5, 150);
    check(source.slice(5, 150).slice(7, 100), 12, 105);
    check(source.slice(16, 200), 16, 200);
  });
});

describe("a file", () => {
  test("that is written to while it is read is refused, longer, shorter or of the same length", async () => {
    const changes: [string, (path: string) => void, RegExp][] = [
      ["shorter", (path) => truncateSync(path, 50), /received a shorter file than at first: wait until it is complete/],
      ["longer", (path) => truncateSync(path, 101), /received a file that was written to meanwhile/],
      ["newer", (path) => utimesSync(path, 1, 1), /received a file that was written to meanwhile/],
    ];
    for (const [, change, message] of changes) {
      const path = fileOf(numbers(100));
      const source = FileSource.open(path);
      expect(source.bytes(0, 3)).toEqual(numbers(3));
      const array = source.array("f32", [4], 0);
      change(path);
      expect(() => source.bytes(0, 3)).toThrow(UserError);
      expect(() => source.bytes(60, 90)).toThrow(message);
      expect(() => array.data).toThrow(message);
      expect(source.size).toBe(100);
      source.close();
    }
  });

  test("that is none, or is not there, is told; what was opened is closed", async () => {
    const folder = join(fileOf(numbers(1)), "..");
    expect(() => FileSource.open(folder)).toThrow(/expected a file, received .*, which is not one/);
    expect(() => FileSource.open(join(folder, "none"))).toThrow(
      /expected to read .*none, received no such file or folder: check the path/,
    );
    await expect(readFileBytes(folder)).rejects.toThrow(/expected a file, received .*, which is not one/);
    await expect(readFileBytes(join(folder, "none"))).rejects.toThrow(
      /expected to read .*none, received no such file or folder/,
    );
    expect(await readFileBytes(join(folder, "file"))).toEqual(numbers(1));
    expect(await readFileBytes(fileOf(numbers(70_000)))).toEqual(numbers(70_000));
    const source = FileSource.open(join(folder, "file"));
    source.close();
    expect(() => source.bytes(0, 1)).toThrow(/EBADF/);
  });

  test("is read to its end where a call gives less than was asked for", async () => {
    const path = fileOf(numbers(100));
    const readSync = fs.readSync;
    const asked: number[][] = [];
    onTestFinished(() => {
      fs.readSync = readSync;
      syncBuiltinESMExports();
      vi.restoreAllMocks();
    });
    fs.readSync = ((descriptor: number, target: Uint8Array, at: number, length: number, from: number) => {
      asked.push([at, length, from]);
      return readSync(descriptor, target, at, Math.min(40, length), from);
    }) as typeof fs.readSync;
    syncBuiltinESMExports();
    const source = FileSource.open(path);
    expect(source.bytes(3, 100)).toEqual(numbers(100).subarray(3));
    expect(asked).toEqual([
      [0, 97, 3],
      [40, 57, 43],
      [80, 17, 83],
    ]);
    source.close();

    const handle = await open(path, "r");
    await handle.close();
    const handles = Object.getPrototypeOf(handle) as { read: (...args: unknown[]) => Promise<unknown> };
    const { read } = handles;
    const parts: unknown[][] = [];
    /** Files that this process has open, where the system lists them. */
    const descriptors = (): number => (fs.existsSync("/proc/self/fd") ? fs.readdirSync("/proc/self/fd").length : 0);
    const before = descriptors();
    vi.spyOn(handles, "read").mockImplementation(function (this: unknown, ...args: unknown[]) {
      const [target, at, length, from] = args as [Uint8Array, number, number, number];
      parts.push([at, length, from]);
      return read.call(this, target, at, Math.min(40, length), from);
    });
    expect(await readFileBytes(path)).toEqual(numbers(100));
    expect(parts).toEqual([
      [0, 100, 0],
      [40, 60, 40],
      [80, 20, 80],
    ]);
    expect(descriptors()).toBe(before);
    // A file that has become shorter since it was opened ends where it ends.
    vi.spyOn(handles, "read").mockImplementation(async (...args: unknown[]) => ({ bytesRead: args[1] === 0 ? 7 : 0 }));
    expect((await readFileBytes(path)).length).toBe(7);
    expect(descriptors()).toBe(before);
    vi.spyOn(handles, "read").mockRejectedValue(Object.assign(new Error("disk"), { code: "EIO" }));
    await expect(readFileBytes(path)).rejects.toThrow(/received an error of the disk/);
    expect(descriptors()).toBe(before);
  });

  test("errors of the file system are one line with what to do; others pass", () => {
    const codes = {
      ENOSPC: "a full disk",
      EDQUOT: "a disk quota that is used up",
      EFBIG: "a file too large for the file system",
      EROFS: "a read-only file system",
      EACCES: "permission denied",
      EPERM: "an operation that is not permitted",
      ENOENT: "no such file or folder",
      ENOTDIR: "a file where a folder should be",
      EISDIR: "a folder",
      EMFILE: "too many open files",
      EIO: "an error of the disk",
    };
    for (const [code, words] of Object.entries(codes)) {
      const cause = Object.assign(new Error("why"), { code });
      const explained = explainFileError("write", "/x", cause) as UserError;
      expect(explained).toBeInstanceOf(UserError);
      expect([explained.expected, explained.received, explained.cause]).toEqual(["to write /x", words, cause]);
      expect(explained.remedy!.length).toBeGreaterThan(10);
    }
    const user = Object.assign(new UserError({ expected: "a", received: "b" }), { code: "ENOENT" });
    for (const other of [
      user,
      new Error("x"),
      Object.assign(new Error("x"), { code: "EWHAT" }),
      { code: 7 },
      null,
      undefined,
    ])
      expect(explainFileError("read", "/x", other)).toBe(other);
  });
});

describe("arrays as bytes", () => {
  test("lie on the same memory where that is aligned, and are copied where not; large ones when they are asked for", () => {
    const memory = numbers(3 * 2 ** 20 + 16);
    for (const dtype of ["u8", "i16", "f32", "f64"] as const) {
      const width = bytesPerElement[dtype];
      for (const [offset, length] of [
        [0, 32],
        [width, 32],
        [1, 32],
        [1, 2 ** 20],
        [1, 2 ** 20 + 8],
      ] as const) {
        const bytes = memory.subarray(offset, offset + length);
        const shape = [length / width];
        const [now, later] = [arrayFromBytes(dtype, shape, bytes), deferredFromBytes(dtype, shape, bytes)];
        const aligned = offset % width === 0;
        expect(now.data.buffer === memory.buffer).toBe(aligned);
        expect(later.fill !== undefined).toBe(!aligned && length > 2 ** 20);
        for (const array of [now, later]) {
          expect([array.dtype, array.shape]).toEqual([dtype, shape]);
          expect(Buffer.from(bytesOfArray(array)).equals(bytes)).toBe(true);
        }
        if (later.fill) {
          const part = new storageConstructor[dtype](5);
          later.fill(part as never, 1000);
          const wanted = bytes.subarray(1000 * width, 1005 * width);
          expect(Buffer.from(part.buffer).equals(wanted)).toBe(true);
        }
      }
    }
  });

  test("of a deferred array come in chunks of whole rows of about a megabyte, two memories in turn", () => {
    for (const [shape, rows] of [
      [[10, 100_000], 2],
      [[7, 300_000], 1],
      [[1000, 1000], 262],
      [[3, 2], 3],
      [[500_000], 262_144],
    ] as const) {
      const row = elementCount(shape.slice(1));
      const asked: number[] = [];
      const array = deferredArray("f32", shape, (target, from) => {
        asked.push(from);
        for (let i = 0; i < target.length; i++) (target as Float32Array)[i] = from + i;
      });
      const buffers: ArrayBufferLike[] = [];
      const sizes: number[] = [];
      let next = 0;
      for (const chunk of chunksAsAnnounced("a", { dtype: "f32", shape }, array)) {
        buffers.push(chunk.buffer);
        sizes.push(chunk.length / 4 / row);
        for (const value of new Float32Array(chunk.buffer, chunk.byteOffset, chunk.length / 4))
          if (value !== next++) expect.fail(`element ${next - 1} is ${value}`);
      }
      expect(next).toBe(elementCount(shape));
      expect(sizes.slice(0, -1).every((size) => size === rows)).toBe(true);
      expect(sizes.at(-1)).toBeLessThanOrEqual(rows);
      expect(asked).toEqual(sizes.map((_, i) => i * rows * row));
      buffers.forEach((buffer, i) => {
        if (i > 0) expect(buffer).not.toBe(buffers[i - 1]);
        if (i > 1) expect(buffer).toBe(buffers[i - 2]);
      });
    }
    const plain: NamedArray = { dtype: "u8", shape: [3], data: Uint8Array.of(1, 2, 3) };
    expect([...chunksAsAnnounced("a", plain, plain)]).toEqual([Uint8Array.of(1, 2, 3)]);
    expect(concatenate([Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2, 3)])).toEqual(Uint8Array.of(1, 2, 3));
  });

  test("have to be as announced", () => {
    const array: NamedArray = { dtype: "f32", shape: [2, 3], data: new Float32Array(6) };
    const later = deferredArray("f32", [2, 3], () => undefined);
    expect(bytesAsAnnounced("a", { dtype: "f32", shape: [6] }, array).length).toBe(24);
    for (const one of [array, later]) {
      for (const spec of [
        { dtype: "f32", shape: [5] },
        { dtype: "i32", shape: [6] },
      ] as const) {
        expect(() => [...chunksAsAnnounced("a", spec, one)]).toThrow(UserError);
        expect(() => [...chunksAsAnnounced("a", spec, one)]).toThrow(
          `expected ${spec.shape[0]} elements of ${spec.dtype} for "a", received 6 of f32`,
        );
      }
    }
  });

  test("shapes of others' files are believed up to 2⁵³ elements and 64 dimensions", () => {
    expect(checkedElementCount([], "x")).toBe(1);
    expect(checkedElementCount([3, 0, 5], "x")).toBe(0);
    expect(checkedElementCount([2 ** 26, 2 ** 26, 1], "x")).toBe(2 ** 52);
    expect(checkedElementCount([Number.MAX_SAFE_INTEGER], "x")).toBe(Number.MAX_SAFE_INTEGER);
    expect(checkedElementCount(new Array(maxRank).fill(1), "x")).toBe(1);
    for (const shape of [[2 ** 27, 2 ** 26], [2 ** 53, 0], [-1], [0.5], [Number.NaN], new Array(65).fill(1)]) {
      expect(() => checkedElementCount(shape, "tensor x")).toThrow(FormatError);
      expect(() => checkedElementCount(shape, "tensor x")).toThrow(/ x/);
    }
    expect(quoted("a\nb")).toBe('"a\\nb"');
    expect(quoted("x".repeat(60))).toBe(`"${"x".repeat(60)}"`);
    expect(quoted("x".repeat(61))).toBe(`"${"x".repeat(60)}…"`);
  });

  test("values cost what they take of V8's memory, roughly, as it was measured", () => {
    expect(memoryCost).toEqual({
      ...{ slot: 8, box: 16, string: 24, view: 120, list: 48, dictionary: 224, entry: 48, object: 600 },
    });
  });

  test("memory is given in proportion to the file, and a constant", () => {
    const budget = new MemoryBudget(1000, "the pickle");
    budget.charge(48 * 2 ** 20 + 1999);
    budget.charge(1);
    expect(() => budget.charge(1)).toThrow(FormatError);
    expect(() => budget.charge(0)).toThrow(/the pickle to take memory in proportion to its size/);
  });

  test("errors of a parser say where what they received was", () => {
    expect(withContext("in x", () => 5)).toBe(5);
    const failing = (error: Error) => () =>
      withContext("in x", () => {
        throw error;
      });
    const cause = new FormatError({ expected: "a", received: "b", remedy: "c" });
    expect(failing(cause)).toThrow(FormatError);
    expect(failing(cause)).toThrow("expected a, received b in x: c");
    expect(failing(new FormatError({ expected: "a", received: "b" }))).toThrow(/^expected a, received b in x$/);
    const other = new UserError({ expected: "a", received: "b" });
    expect(failing(other)).toThrow(/^expected a, received b$/);
  });
});
