import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FormatError, UserError } from "#repvgg/core/errors.js";
import { cifar10Classes, cifarRecordBytes, parseCifar10 } from "#repvgg/data/cifar10.js";
import { parseIdxImages, parseIdxLabels, writeIdx } from "#repvgg/data/idx.js";
import { memoryDataset } from "#repvgg/data/memory-dataset.js";
import { openDataset } from "#repvgg/data/open-dataset.node.js";
import { temporaryFolder } from "./pictures.js";

const pixels = Uint8Array.from({ length: 3 * 2 * 4 }, (_, i) => i);
const images = writeIdx([3, 2, 4], pixels);
const labels = writeIdx([3], Uint8Array.of(9, 0, 4));

function header(...words: number[]): Uint8Array {
  const bytes = new Uint8Array(words.length * 4);
  words.forEach((word, i) => {
    new DataView(bytes.buffer).setUint32(i * 4, word);
  });
  return bytes;
}

describe("idx", () => {
  test("reads what it writes", () => {
    expect(parseIdxImages(images)).toEqual({ count: 3, height: 2, width: 4, pixels });
    expect([...parseIdxLabels(labels, 10)]).toEqual([9, 0, 4]);
  });

  test.each<[string, Uint8Array]>([
    ["nothing", new Uint8Array(0)],
    ["less than a header", images.subarray(0, 15)],
    ["labels for pictures", labels],
    ["floats", header(0x00000d03, 1, 1, 1, 0)],
    ["one byte less", images.subarray(0, images.length - 1)],
    ["one byte more", Uint8Array.of(...images, 0)],
    ["no pictures", header(0x803, 0, 28, 28)],
    ["pictures without pixels", header(0x803, 3, 0, 28)],
    ["a claim of 2^96 bytes", header(0x803, 0xffffffff, 0xffffffff, 0xffffffff)],
    ["a product that is 24 modulo 2^32", header(0x803, 0x40000006, 2, 2, ...new Array(6).fill(0))],
  ])("refuses %s", (_title, bytes) => {
    expect(() => parseIdxImages(bytes, "x.idx")).toThrow(FormatError);
    expect(() => parseIdxImages(bytes, "x.idx")).toThrow(/x\.idx/);
  });

  test("refuses labels beyond the classes", () => {
    expect(() => parseIdxLabels(labels, 9, "l.idx")).toThrow(/labels below 9, received l\.idx: label 9 of picture 0/);
  });

  test("refuses random bytes or reads exactly them", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          const parsed = parseIdxImages(bytes);
          expect(parsed.pixels.length).toBe(bytes.length - 16);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
    );
  });
});

describe("a folder of idx files", () => {
  const folder = (files: Record<string, Uint8Array>) => temporaryFolder(files);

  test("opens packed and plain, train and test", async () => {
    const root = folder({
      "train-images-idx3-ubyte.gz": gzipSync(images),
      "train-labels-idx1-ubyte.gz": gzipSync(labels),
      "t10k-images-idx3-ubyte": images,
      "t10k-labels-idx1-ubyte": labels,
    });
    for (const split of ["train", "test"] as const) {
      const dataset = await openDataset(root, split);
      expect([dataset.length, dataset.channels, dataset.classNames.length]).toEqual([3, 1, 10]);
      expect([dataset.label(0), dataset.label(2)]).toEqual([9, 4]);
      expect(await dataset.read(1)).toEqual({ width: 4, height: 2, channels: 1, data: pixels.subarray(8, 16) });
      const again = await openDataset(dataset.source!);
      expect(again.read(2)).toEqual(dataset.read(2));
    }
  });

  test("has no test split where its files are missing", async () => {
    const root = folder({ "train-images-idx3-ubyte": images, "train-labels-idx1-ubyte": labels });
    await expect(openDataset(root, "test")).rejects.toThrow(/a test split/);
  });

  test.each<[string, Uint8Array, Uint8Array, RegExp]>([
    ["a cut gzip", gzipSync(images).subarray(0, 30), labels, /damaged or cut off/],
    ["gzip of other things", gzipSync("hello hello hello hello"), labels, /magic 0x68656c6c/],
    [
      "a claim far beyond its bytes",
      gzipSync(header(0x803, 0x7fffffff, 28, 28)),
      labels,
      /at most 35088 bytes .* a header that claims 1683627179264/,
    ],
    [
      "more than it claims",
      gzipSync(Uint8Array.of(...header(0x803, 1, 2, 2), ...new Array(5000).fill(0))),
      labels,
      /expected/,
    ],
    ["less than it claims", gzipSync(header(0x803, 3, 2, 4)), labels, /expected 24 bytes of elements/],
    ["other counts", images, writeIdx([2], Uint8Array.of(1, 2)), /as many labels as pictures \(3\), received .*: 2/],
  ])("refuses %s", async (_title, imageBytes, labelBytes, message) => {
    const root = folder({ "train-images-idx3-ubyte": imageBytes, "train-labels-idx1-ubyte": labelBytes });
    const opened = openDataset(root);
    await expect(opened).rejects.toThrow(FormatError);
    await expect(opened).rejects.toThrow(message);
  });
});

describe("CIFAR-10", () => {
  const record = (label: number, seed: number) =>
    Uint8Array.from({ length: cifarRecordBytes }, (_, i) => (i === 0 ? label : (i * 7 + seed) & 255));

  test("planes become interleaved pixels, batches follow each other by name", async () => {
    const root = temporaryFolder({
      "data_batch_2.bin": record(2, 2),
      "data_batch_1.bin": Uint8Array.of(...record(9, 0), ...record(1, 1)),
      "test_batch.bin": record(5, 3),
      "batches.meta.txt": cifar10Classes.join("\n"),
    });
    const train = await openDataset(root, "train");
    expect([train.length, train.channels, train.classNames]).toEqual([3, 3, cifar10Classes]);
    expect([0, 1, 2].map((i) => train.label(i))).toEqual([9, 1, 2]);
    const { data, width, height } = await train.read(1);
    expect([width, height]).toEqual([32, 32]);
    const original = record(1, 1);
    for (const p of [0, 1, 31, 32, 1023]) {
      expect([...data.subarray(3 * p, 3 * p + 3)]).toEqual([original[1 + p], original[1025 + p], original[2049 + p]]);
    }
    const held = await openDataset(root, "test");
    expect([held.length, held.label(0)]).toEqual([1, 5]);
    expect((await openDataset(train.source!)).read(2)).toEqual(train.read(2));
  });

  test.each<[string, Uint8Array, RegExp]>([
    ["an empty file", new Uint8Array(0), /received x\.bin: 0 bytes/],
    ["a cut record", record(1, 1).subarray(1), /whole records of 3073 bytes .* received x\.bin: 3072 bytes/],
    ["a label of 10", record(10, 1), /label 10 of picture 0/],
  ])("refuses %s", (_title, bytes, message) => {
    const parse = () => parseCifar10(bytes, new Uint8Array(3072), new Int32Array(1), 0, "x.bin");
    expect(parse).toThrow(FormatError);
    expect(parse).toThrow(message);
  });

  test("names the damaged file", async () => {
    const root = temporaryFolder({ "data_batch_1.bin": new Uint8Array(5) });
    await expect(openDataset(root)).rejects.toThrow(join(root, "data_batch_1.bin"));
    await expect(openDataset(root, "test")).rejects.toThrow(UserError);
  });
});

test("memoryDataset refuses pixels and labels that do not fit", () => {
  const options = { name: "m", classNames: ["a", "b"], channels: 1 as const, height: 2, width: 2 };
  expect(() => memoryDataset({ ...options, pixels: new Uint8Array(7), labels: [0, 1] })).toThrow(
    /= 8 bytes .* received 7/,
  );
  expect(() => memoryDataset({ ...options, pixels: new Uint8Array(8), labels: [0, 2] })).toThrow(/labels below 2/);
});
