import { writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateRawSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadNet as loadInBrowser } from "#repvgg/browser/load.js";
import { FormatError } from "#repvgg/core/errors.js";
import { f32 } from "#repvgg/core/named-arrays.js";
import { loadNet } from "#repvgg/exchange/load-net.node.js";
import { sniff } from "#repvgg/exchange/sniff.js";
import { asSource } from "#repvgg/formats/byte-source.js";
import { foreignFile } from "#repvgg/formats/foreign.js";
import { readOnnxFile, writeOnnxFile } from "#repvgg/formats/onnx/file.node.js";
import { readOnnx } from "#repvgg/formats/onnx/model.js";
import { readSafetensors } from "#repvgg/formats/safetensors/read.js";
import { writeSafetensors } from "#repvgg/formats/safetensors/write.js";
import { readTorch } from "#repvgg/formats/torch/read.js";
import { writeTorch } from "#repvgg/formats/torch/write.js";
import { GraphBuilder, valueInfo } from "#repvgg/graph/build.js";
import { toOnnx } from "#repvgg/graph/to-onnx.js";
import { buildZip } from "./zip-builder.js";

const text = (content: string): Uint8Array => new TextEncoder().encode(content);
const at = (offset: number, ...bytes: number[]): Uint8Array => {
  const file = Uint8Array.from({ length: 600 }, (_, i) => (i * 37) & 0xff);
  file.set(bytes, offset);
  return file;
};
const ascii = (word: string): number[] => [...word].map((character) => character.charCodeAt(0));

const lfs =
  "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345678\n";

/** What comes in place of a net, what must be said of it and what to do. */
const foreign: [string, Uint8Array, RegExp][] = [
  ["nothing", new Uint8Array(0), /an empty file: .*fetch the file again/],
  ["a Git LFS pointer", text(lfs), /a Git LFS pointer, which stands for a file of 12345678 bytes: .*git lfs pull/],
  ["a git-annex pointer", text("/annex/objects/SHA256E-s27--f1b8.pth\n"), /a git-annex pointer: .*git annex get/],
  [
    "an HTML page",
    text("\n<!DOCTYPE html>\n<html><head><title>Google Drive - Virus scan warning</title></head>"),
    /an HTML page \("Google Drive - Virus scan warning"\).*: download the file by its direct address/,
  ],
  [
    "an HTML page with a byte order mark",
    Uint8Array.of(0xef, 0xbb, 0xbf, ...text("<html lang=en>")),
    /an HTML page, not/,
  ],
  ["a server's XML", text('<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'), /an XML document/],
  [
    "a server's JSON",
    text('{"error":"Repository not found"}'),
    /JSON text.*begins with "{\\"error\\".*fetch the file again/,
  ],
  ["plain text", text("Not Found"), /text that begins with "Not Found"/],
  ["gzip", gzipSync(Buffer.from("some weights")), /a gzip archive: unpack it/],
  ["tar", at(257, ...ascii("ustar")), /a tar archive: unpack it first/],
  ["7-Zip", at(0, 0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c), /a 7-Zip archive/],
  ["HDF5", at(0, 0x89, ...ascii("HDF"), 13, 10, 0x1a, 10), /an HDF5 file, as Keras writes it: export the net to ONNX/],
  ["TFLite", at(4, ...ascii("TFL3")), /a TensorFlow Lite model/],
  ["a NumPy array", at(0, 0x93, ...ascii("NUMPY")), /a NumPy array/],
  ["a picture", at(0, 0xff, 0xd8, 0xff), /a JPEG picture/],
  [
    "a pickle of joblib",
    Uint8Array.of(0x80, 4, 0x95, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    /a Python pickle that torch\.save did not write/,
  ],
  [
    "a pickle of protocol 2",
    Uint8Array.of(0x80, 2, 0x7d, 0x71, 0, 0x2e),
    /a Python pickle that torch\.save did not write/,
  ],
  ["zeros", new Uint8Array(1000), /zeros at its beginning: .*fetch the file again/],
];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "repvgg-foreign-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe.each(foreign)("%s in place of a net", (_, bytes, message) => {
  test.each(["net.pth", "net.pt", "net.safetensors", "net.onnx", "net"])(
    "named %s is called what it is",
    async (name) => {
      const path = join(folder, name);
      writeFileSync(path, bytes);
      await expect(loadNet(path)).rejects.toThrow(message);
      await expect(loadNet(path)).rejects.toThrow(new RegExp(name.replace(".", "\\.")));
      await expect(loadInBrowser(bytes, { name })).rejects.toThrow(message);
    },
  );

  test("by each reader", () => {
    for (const read of [readTorch, readSafetensors, readOnnx]) {
      expect(() => read(bytes)).toThrow(FormatError);
      expect(() => read(bytes)).toThrow(message);
    }
  });
});

test("in place of an ONNX net's data file", async () => {
  const builder = new GraphBuilder();
  builder.conv("y", "x", f32([4, 4, 1, 1]));
  const proto = toOnnx(builder.graph("net", [valueInfo("x", [1, 4, 8, 8])], [valueInfo("y", [1, 4, 8, 8])]));
  const initializer = proto.graph!.initializer.map(({ rawData: __, ...tensor }) => ({
    ...tensor,
    dataLocation: 1,
    externalData: [{ key: "location", value: "net.data" }],
  }));
  const path = join(folder, "external.onnx");
  await writeOnnxFile(path, { ...proto, graph: { ...proto.graph!, initializer } });
  for (const [, bytes, message] of foreign.slice(0, 4)) {
    writeFileSync(join(folder, "net.data"), bytes);
    await expect(readOnnxFile(path)).rejects.toThrow(message);
  }
});

describe("what is a net is not taken for something else", () => {
  test("by its first bytes", () => {
    const arrays = new Map([["w", f32([3])]]);
    for (const [bytes, container] of [
      [writeTorch(arrays), "torch"],
      [writeSafetensors(arrays), "safetensors"],
    ] as const) {
      expect(sniff(bytes.subarray(0, 512), bytes.length)).toBe(container);
      expect(foreignFile(bytes, bytes.length)).toBeUndefined();
    }
  });

  test("a safetensors header whose length reads like another format's signature", () => {
    // 0x8b1f = 35615 bytes of header: gzip's signature
    const names = Array.from({ length: 900 }, (_, i) => `w${i}`.padEnd(4, "x"));
    const entries = names.map((name, i) => `"${name}":{"dtype":"U8","shape":[1],"data_offsets":[${i},${i + 1}]}`);
    const header = `{${entries.join(",")}}`.padEnd(0x8b1f, " ").slice(0, 0x8b1f);
    const kept = entries.slice(0, 500).join(",");
    const exact = `{${kept}}`.padEnd(0x8b1f, " ");
    expect(header.length).toBe(exact.length);
    const file = new Uint8Array(8 + exact.length + 500);
    file.set([0x1f, 0x8b]);
    file.set(text(exact), 8);
    expect(sniff(file.subarray(0, 512), file.length)).toBe("safetensors");
    expect(readSafetensors(file).arrays.size).toBe(500);
  });

  test("weights that look like text", () => {
    const like = text("version x".repeat(100));
    expect(foreignFile(like, like.length)!.what).toMatch(/^text that begins/);
    expect(foreignFile(Uint8Array.of(0x76, 0x65, 0x01, 0x02, 0x03), 5)).toBeUndefined();
    expect(foreignFile(Uint8Array.of(1, 2, 3), 3)).toBeUndefined();
  });
});

describe("zip archives that are no checkpoints", () => {
  const member = (name: string, content = "x") => ({ name, data: text(content) });
  test.each([
    ["a NumPy archive", [member("weight.npy")], /a NumPy archive \(\.npz\): save the weights with torch\.save/],
    ["Keras", [member("config.json"), member("model.weights.h5")], /a Keras or TensorFlow model: export it to ONNX/],
    ["torch.export", [member("net/serialized_exported_program.json")], /a torch\.export program \(\.pt2\)/],
    ["zipped nets", [member("a/model.pth")], /an archive with nets in it: unzip it/],
    [
      "anything",
      [member("a"), member("b"), member("c"), member("d")],
      /an archive of 4 other members \("a", "b", "c", …\)/,
    ],
  ])("%s", (_, members, message) => {
    expect(() => readTorch(buildZip(members))).toThrow(message);
  });

  test("TorchScript, whether its members are compressed or not", () => {
    for (const names of [
      ["net/data.pkl", "net/constants.pkl"],
      ["net/data.pkl", "net/code/__torch__.py"],
    ]) {
      const stored = names.map((name) => ({ name, data: text("x".repeat(100)) }));
      expect(() => readTorch(buildZip(stored))).toThrow(/a TorchScript program .*torch\.jit\.load/);
      const deflated = stored.map(({ name, data }) => {
        const packed = deflateRawSync(data);
        return { name, data: packed, method: 8, size: data.length, compressedSize: packed.length };
      });
      expect(() => readTorch(buildZip(deflated))).toThrow(/a TorchScript program .*torch\.jit\.load/);
    }
  });

  test("a checkpoint with a compressed pickle or tensor is refused for that", () => {
    const packed = deflateRawSync(text("x".repeat(100)));
    const pickle = { name: "net/data.pkl", data: packed, method: 8, size: 100, compressedSize: packed.length };
    expect(() => readTorch(buildZip([pickle]))).toThrow(/a compressed "net\/data\.pkl".*zip -0/);
    expect(asSource(packed).size).toBe(packed.length);
  });
});
