import { describe, expect, test } from "vitest";
import { FormatError } from "#repvgg/core/errors.js";
import { readTorch } from "#repvgg/formats/torch/read.js";
import { oracle } from "./fixtures.js";
import { pk, pth } from "./pickle-builder.js";
import { buildZip, zipMembers, zipOfPickle } from "./zip-builder.js";

const raw = (...bytes: number[]): Uint8Array => pth(bytes);
const repeat = (bytes: number[], times: number): number[] => Array.from({ length: times }, () => bytes).flat();

function expectFormatError(read: () => unknown, message: RegExp): void {
  let caught: unknown;
  try {
    read();
  } catch (error) {
    caught = error;
  }
  expect(caught).toBeInstanceOf(FormatError);
  expect((caught as FormatError).message).toMatch(message);
}

describe("pickles that want to run something", () => {
  test.each([
    ["os.system", pk.call("os", "system", pk.text("touch /tmp/x")), /os\.system/],
    ["posix.system", pk.call("posix", "system", pk.text("id")), /posix\.system/],
    ["nt.system", pk.call("nt", "system", pk.text("dir")), /nt\.system/],
    ["subprocess.Popen", pk.call("subprocess", "Popen", pk.text("id")), /subprocess\.Popen/],
    ["eval", pk.call("builtins", "eval", pk.text("1")), /builtins\.eval/],
    ["exec of Python 2", pk.call("__builtin__", "exec", pk.text("1")), /__builtin__\.exec/],
    ["getattr", pk.call("builtins", "getattr", pk.text("a"), pk.text("b")), /builtins\.getattr/],
    ["__import__", pk.call("builtins", "__import__", pk.text("os")), /__import__/],
    ["a dotted way round", [0x8c, 5, ...ascii("torch"), 0x8c, 17, ...ascii("os.__dict__.items"), 0x93], /__dict__/],
    ["runpy", pk.call("runpy", "_run_code", pk.text("1")), /runpy/],
    ["pickle itself", pk.call("pickle", "loads", pk.text("1")), /pickle\.loads/],
    ["only the name, never called", pk.global("os", "system"), /os\.system/],
  ])("%s", (_, opcodes, message) => {
    expectFormatError(() => readTorch(pth(opcodes)), message);
    expectFormatError(() => readTorch(pth(opcodes)), /nothing was run/);
  });

  test("names of JavaScript's own objects are names like others", () => {
    for (const name of ["toString", "constructor", "hasOwnProperty"]) {
      const value = readTorch(pth(pk.call("numpy", name)));
      expect(value).toMatchObject({ global: `numpy.${name}` });
    }
    expect(readTorch(pth(pk.dict(["x", pk.int(1)])))).toEqual(new Map([["x", 1]]));
    const state = [...pk.call("a", "B"), ...pk.dict(["__proto__", pk.dict(["polluted", pk.int(1)])]), 0x62];
    readTorch(pth(state));
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

function ascii(text: string): number[] {
  return [...new TextEncoder().encode(text)];
}

describe("pickles that are none", () => {
  test.each([
    ["empty stack", raw(), /empty stack/],
    ["an unknown opcode", raw(0xff), /0xff/],
    ["an opcode of protocol 0", raw(0x49, 0x31, 0x0a), /0x49/],
    ["protocol 9", pth([0x80, 9]), /protocol 9/],
    ["pop below a mark", raw(0x4b, 1, 0x28, 0x85), /empty stack/],
    ["tuple without mark", raw(0x74), /mark/],
    ["memo that was never set", raw(0x68, 7), /memo 7/],
    ["memo of nothing", raw(0x71, 0), /empty stack/],
    ["append to a number", raw(0x4b, 1, 0x4b, 1, 0x61), /a list or set/],
    ["set an item of a list", raw(0x5d, 0x4b, 1, 0x4b, 1, 0x73), /a dictionary/],
    ["items without values", raw(0x7d, 0x28, 0x4b, 1, 0x75), /pairs/],
    ["call of a number", raw(0x4b, 1, 0x29, 0x52), /name of a class/],
    ["call with a number", pth([...pk.global("a", "b"), 0x4b, 1, 0x52]), /tuple of arguments/],
    ["build of a number", raw(0x4b, 1, 0x7d, 0x62), /attributes/],
    ["a stack global of numbers", raw(0x4b, 1, 0x4b, 2, 0x93), /two names/],
    ["an integer of 4 GB", raw(0x8b, 0xff, 0xff, 0xff, 0xff), /256 bytes/],
    ["a text of 4 GB", raw(0x58, 0xff, 0xff, 0xff, 0xff), /4294967295 more bytes/],
    ["bytes of 2^63", raw(0x8e, 0, 0, 0, 0, 0, 0, 0, 0x80), /2\^53/],
    ["a name without end", pth([0x63, ...repeat([0x61], 3000)]), /line|name/],
    ["a name of 3000 letters", pth([0x63, ...repeat([0x61], 3000), 0x0a, 0x62, 0x0a]), /name of a class/],
    ["a dict of a number", pth(pk.call("collections", "OrderedDict", pk.int(1))), /a list/],
    ["a Size of a number", pth(pk.call("torch", "Size", pk.int(1))), /a list/],
    ["a scalar of no type", pth(pk.call("numpy.core.multiarray", "scalar", pk.int(1))), /numpy element type/],
  ])("%s", (_, bytes, message) => expectFormatError(() => readTorch(bytes), message));

  test("nested lists cost no stack: half a million are read, two million refused", () => {
    const nested = (depth: number): Uint8Array => {
      const pickle = new Uint8Array(2 * depth + 2);
      pickle.set([0x80, 2]);
      pickle.fill(0x5d, 2, 2 + depth); // EMPTY_LIST
      pickle.fill(0x61, 2 + depth); // APPEND
      pickle[pickle.length - 1] = 0x2e;
      return zipOfPickle(pickle);
    };
    let depth = 0;
    for (let value = readTorch(nested(500_000)); Array.isArray(value); value = value[0]!) depth++;
    expect(depth).toBe(500_000);
    expectFormatError(() => readTorch(nested(2_000_000)), /in proportion/);
  });

  test.each([
    ["dictionaries", 0x7d],
    ["lists", 0x5d],
    ["sets", 0x8f],
  ])("3 million empty %s are refused before they fill the memory", (_, opcode) => {
    const data = new Uint8Array(3e6 + 3).fill(opcode);
    data.set([0x80, 2]);
    expectFormatError(() => readTorch(zipOfPickle(data)), /in proportion/);
  });

  test("copies of one long list by call after call are refused", () => {
    const long = [0x5d, 0x71, 0, 0x28, ...repeat([0x4b, 1], 20_000), 0x65];
    const copies = repeat([...pk.global("builtins", "set"), 0x68, 0, 0x85, 0x52], 500);
    expectFormatError(() => readTorch(pth([...long, ...copies])), /in proportion/);
  });
});

describe("zip archives", () => {
  const data = new TextEncoder().encode("hello");

  test("stored members, comments and zip64 are read", () => {
    const members = [
      { name: "a/x", data },
      { name: "a/y", data: new Uint8Array(0) },
    ];
    for (const end of [{}, { comment: "PK\x05\x06 a comment that looks like an end" }, { zip64: true }]) {
      const files = [
        buildZip(members, end),
        buildZip(
          members.map((m) => ({ ...m, zip64: true })),
          end,
        ),
      ];
      for (const file of files) {
        expect(zipMembers(file).sort()).toEqual([
          ["a/x", data],
          ["a/y", new Uint8Array(0)],
        ]);
      }
    }
  });

  test.each([
    ["deflate", buildZip([{ name: "a", data, method: 8 }]), /stored.*"a"/],
    [
      "a bomb: 1 GB from 5 bytes",
      buildZip([{ name: "a", data, method: 8, size: 2 ** 30, compressedSize: 5 }]),
      /stored/,
    ],
    ["a size that differs from the compressed one", buildZip([{ name: "a", data, size: 500 }]), /a/],
    ["encrypted", buildZip([{ name: "a", data, flags: 1 }]), /encrypted/],
    ["zip slip", buildZip([{ name: "../../etc/passwd", data }]), /stay within.*passwd/],
    ["zip slip inside", buildZip([{ name: "a/../../b", data }]), /stay within/],
    ["an absolute name", buildZip([{ name: "/etc/passwd", data }]), /stay within/],
    ["a drive letter", buildZip([{ name: "C:x", data }]), /stay within/],
    ["a backslash", buildZip([{ name: "..\\x", data }]), /stay within/],
    ["an empty name", buildZip([{ name: "", data }]), /stay within/],
    [
      "the same name twice",
      buildZip([
        { name: "a", data },
        { name: "a", data },
      ]),
      /second "a"/,
    ],
    [
      "two members at one place",
      buildZip([
        { name: "a", data },
        { name: "b", data, offset: 0 },
      ]),
      /overlap/,
    ],
    ["a local name that differs", buildZip([{ name: "a", localName: "b", data }]), /"a".*"b"/],
    [
      "beyond the file",
      buildZip([{ name: "a", data, size: 500, compressedSize: 500 }]),
      /500 more bytes at byte 31 of the zip archive's "a", received the end after 5:/,
    ],
    ["an offset beyond the file", buildZip([{ name: "a", data, offset: 10_000 }]), /within the file/],
    ["an offset of 2^40", buildZip([{ name: "a", data, offset: 2 ** 40, zip64: true }]), /within the file/],
    ["an offset into data", buildZip([{ name: "a", data, offset: 3 }]), /a header for/],
    [
      "more members claimed than there are",
      buildZip([{ name: "a", data }], { count: 9 }),
      /4 more bytes at byte 47 of the zip directory, received the end after 0/,
    ],
    ["no directory", oracle("tiny-train.pth").subarray(0, 300_000 - 5000), /cut short/],
  ])("%s", (_, file, message) => expectFormatError(() => zipMembers(file), message));

  test("zip64 fields, records and locators that are cut or lie are named", () => {
    const one = [{ name: "a", data, zip64: true }];
    const place = (file: Uint8Array, ...bytes: number[]): number => {
      const at = file.findIndex((_, i) => bytes.every((byte, k) => file[i + k] === byte));
      expect(at).toBeGreaterThan(0);
      return at;
    };
    const field = (size: number): Uint8Array => {
      const file = buildZip(one);
      file[place(file, 1, 0, 24, 0) + 2] = size;
      return file;
    };
    expectFormatError(() => zipMembers(field(8)), /8 more bytes at byte 8 of a zip64 field, received the end after 0/);
    expectFormatError(
      () => zipMembers(field(23)),
      /8 more bytes at byte 16 of a zip64 field, received the end after 7/,
    );
    expectFormatError(
      () => zipMembers(field(25)),
      /25 more bytes at byte 4 of a zip64 field, received the end after 24/,
    );

    const located = (record: (locator: number) => number, change?: (file: Uint8Array, locator: number) => void) => {
      const file = buildZip(one, { zip64: true });
      const locator = place(file, 0x50, 0x4b, 6, 7);
      change?.(file, locator);
      new DataView(file.buffer).setBigUint64(locator + 8, BigInt(record(locator)), true);
      return () => zipMembers(file);
    };
    expect(located((locator) => locator - 56)()).toEqual([["a", data]]);
    expectFormatError(
      located((locator) => locator - 55),
      /expected a zip64 record, received other bytes at \d+ in the zip/,
    );
    expectFormatError(
      located((locator) => locator + 1),
      /the zip64 record before its locator, received byte \d+/,
    );
    const cut = located(
      (locator) => locator - 4,
      (file, locator) => file.set([0x50, 0x4b, 6, 6], locator - 4),
    );
    expectFormatError(cut, /28 more bytes at byte 4 of the zip64 record, received the end after 0/);
  });

  test("an archive without data.pkl", () => {
    expectFormatError(() => readTorch(buildZip([{ name: "a/b", data }])), /data\.pkl.*1 other members/);
  });
});
