import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { FormatError, UserError } from "#repvgg/core/errors.js";
import { BrokenImageError } from "#repvgg/data/broken-image.js";
import type { Dataset, FolderSource, Image } from "#repvgg/data/dataset.js";
import { unreadable } from "#repvgg/data/decode.node.js";
import { heldOutPart, holdOut } from "#repvgg/data/hold-out.js";
import { writeIdx } from "#repvgg/data/idx.js";
import { inMemoryIfSmall } from "#repvgg/data/in-memory.js";
import { decodeIntoMemory, type MemoryDataset, memoryDataset } from "#repvgg/data/memory-dataset.js";
import { openDataset, openTrainAndTest } from "#repvgg/data/open-dataset.node.js";
import { pictureName } from "#repvgg/data/picture-name.js";
import { readAll } from "#repvgg/data/read-all.js";
import { quickChecks } from "#repvgg/survey/quick-checks.node.js";
import { balanceWarnings, describeDataWarning, leakWarnings, surveyWarnings } from "#repvgg/survey/warnings.js";
import { memoryPictures, pictureFolder, temporaryFolder, wavesAndNoise } from "./pictures.js";

/** A lenient folder of pictures that exists in memory only; some of them are broken. */
function folderOf(images: readonly Image[], broken: readonly number[] = [], more: Partial<Dataset> = {}): Dataset {
  const files = images.map((_, i) => `a/${i}.png`);
  const labels = Int32Array.from(images, (_, i) => i % 2);
  const common = { name: "folder", classNames: ["a", "b"], channels: 3 } as const;
  const source = { kind: "folder", path: "/p", strict: false, files, labels, ...common } as const;
  return {
    ...common,
    ...{ length: images.length, skipped: [{ file: "zz", reason: "seen before" }], source },
    label: (index) => labels[index]!,
    read: async (index) => {
      if (broken.includes(index)) throw new BrokenImageError(`/p/${files[index]}`, "cut");
      return images[index]!;
    },
    select: () => expect.fail("nobody selects"),
    ...more,
  };
}

const pictures = (count: number) => Array.from({ length: count }, (_, i) => wavesAndNoise(3 + (i % 2), 4, 3, i));

describe("readAll", () => {
  test("visits every picture once, tells how far it is, and lists what is broken, sorted", async () => {
    const dataset = folderOf(pictures(600), [599, 3, 20]);
    const [visited, told]: number[][] = [[], []];
    const skipped = await readAll(
      dataset,
      (index, image) => {
        visited!.push(index);
        expect(image).toEqual(wavesAndNoise(3 + (index % 2), 4, 3, index));
      },
      (done) => told!.push(done),
    );
    expect(visited!.sort((a, b) => a - b)).toEqual([...Array(600).keys()].filter((i) => ![3, 20, 599].includes(i)));
    expect(told).toEqual([0, 256, 512, 600]);
    expect(skipped).toEqual([
      ...[20, 3, 599].map((i) => ({ file: `/p/a/${i}.png`, reason: "cut" })),
      { file: "zz", reason: "seen before" },
    ]);
    expect(dataset.skipped.length).toBe(1);
  });

  test("ends where the visitor says so, and at the first error of a set that is not lenient", async () => {
    for (const end of [0, 7, 50]) {
      let visits = 0;
      await readAll(folderOf(pictures(100)), () => visits++ < end);
      expect(visits).toBeLessThan(end + 9); // those that were being read
      expect(visits).toBeGreaterThan(end);
    }
    const lenient = folderOf(pictures(100), [5]);
    const others: Dataset[] = [
      { ...lenient, source: { ...(lenient.source as object), strict: true } as Dataset["source"] },
      { ...lenient, source: undefined },
      { ...lenient, source: { kind: "cifar10", files: [] } },
    ];
    for (const dataset of others) {
      let visits = 0;
      await expect(readAll(dataset, () => void visits++)).rejects.toThrow(BrokenImageError);
      expect(visits).toBeLessThan(16);
    }
    const bug = folderOf(pictures(9), [], { read: () => Promise.reject(new TypeError("bug")) });
    await expect(readAll(bug, () => undefined)).rejects.toThrow("bug");
  });
});

describe("decoded into memory", () => {
  test("pictures keep their sizes, labels and channels; broken ones are left out", async () => {
    const grey = folderOf(
      Array.from({ length: 9 }, (_, i) => wavesAndNoise(2 + i, 5, i === 4 ? 3 : 1, i)),
      [2, 6],
      { channels: 1 },
    );
    const memory = (await decodeIntoMemory(grey))!;
    expect([memory.name, memory.channels, memory.length, memory.classNames]).toEqual(["folder", 1, 7, ["a", "b"]]);
    const kept = [0, 1, 3, 4, 5, 7, 8];
    for (const [i, index] of kept.entries()) {
      expect(memory.label(i)).toBe(index % 2);
      const { width, height, channels, data } = memory.read(i);
      expect([width, height, channels, data.length]).toEqual([2 + index, 5, 1, (2 + index) * 5]);
      if (index !== 4) expect(data).toEqual(wavesAndNoise(2 + index, 5, 1, index).data);
    }
    expect(memory.skipped.map(({ file }) => file)).toEqual(["/p/a/2.png", "/p/a/6.png", "zz"]);
    expect(memory.source).toBeUndefined();
    const some = memory.select([6, 0], "some");
    expect([some.name, some.length, some.label(0), some.label(1)]).toEqual(["some", 2, 0, 0]);
    expect(some.read(0)).toEqual(memory.read(6));
    expect(some.read(1)).toEqual(memory.read(0));
    expect(memory.select([3]).name).toBe("folder");
  });

  test("only where they fit, to the byte", async () => {
    const dataset = folderOf(Array.from({ length: 10 }, (_, i) => wavesAndNoise(4, 5, 3, i)));
    const told: [number, number][] = [];
    const options = { onProgress: (done: number, total: number) => told.push([done, total]) };
    expect((await decodeIntoMemory(dataset, { maxBytes: 600, ...options }))!.length).toBe(10);
    expect(told).toEqual([
      [0, 10],
      [10, 10],
    ]);
    expect(await decodeIntoMemory(dataset, { maxBytes: 599 })).toBeUndefined();
    expect(await decodeIntoMemory(dataset, { signal: AbortSignal.abort() })).toBeUndefined();
    expect((await inMemoryIfSmall(dataset, { maxBytes: 600 })).read(3)).toEqual(wavesAndNoise(4, 5, 3, 3));
    expect(await inMemoryIfSmall(dataset, { maxBytes: 599 })).toBe(dataset);
    const broken = folderOf(pictures(4), [1]);
    expect(await inMemoryIfSmall(broken)).toBe(broken);
  });

  test("after a look at 32 of them, evenly spread, where they are many", async () => {
    const read: number[] = [];
    const image = wavesAndNoise(10, 10, 3, 1);
    const dataset = folderOf(new Array(320).fill(image), [], {
      read: async (index) => {
        read.push(index);
        return image;
      },
    });
    expect(await inMemoryIfSmall(dataset, { maxBytes: 320 * 300 - 1 })).toBe(dataset);
    expect(read).toEqual(Array.from({ length: 32 }, (_, i) => 10 * i));
  });
});

describe("sets", () => {
  test("in memory check what they are given", () => {
    const options = { name: "m", classNames: ["a", "b"], channels: 3 as const, height: 1, width: 2 };
    const made = (labels: number[], pixels = new Uint8Array(6 * labels.length)): MemoryDataset =>
      memoryDataset({ ...options, labels, pixels });
    expect(made([0, 1, 1]).label(2)).toBe(1);
    for (const label of [-1, 2, 0.5, Number.NaN]) {
      expect(() => made([0, label])).toThrow(UserError);
      expect(() => made([0, label])).toThrow(`labels below 2 for m, received ${label} for picture 1`);
    }
    expect(() => made([0], new Uint8Array(7))).toThrow("1 × 1 × 2 × 3 = 6 bytes of pixels for m, received 7 bytes");
    const pixels = Uint8Array.from({ length: 12 }, (_, i) => i);
    expect(made([0, 1], pixels).read(1)).toEqual({ width: 2, height: 1, channels: 3, data: pixels.subarray(6) });
    expect(made([0]).contents.labels.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(made([0]).skipped).toEqual([]);
  });

  test("without splits hold out a fifth of few pictures by seed 0, or what is asked for; 0: none", async () => {
    const root = await pictureFolder(20);
    const whole = await openDataset(root);
    const names = (dataset: Dataset) => Array.from({ length: dataset.length }, (_, i) => pictureName(dataset, i));
    for (const [options, fraction, seed] of [
      [{}, 0.2, 0],
      [{ holdOut: 0.25 }, 0.25, 0],
      [{ holdOut: 0.25, seed: 5 }, 0.25, 5],
    ] as const) {
      const { train, test: held } = await openTrainAndTest(root, options);
      const wanted = holdOut(whole, fraction, seed);
      expect([names(train), names(held)]).toEqual([names(wanted.train), names(wanted.test)]);
      expect(held.length).toBe(40 * fraction);
    }
    const all = await openTrainAndTest(root, { holdOut: 0 });
    expect([names(all.train), names(all.test), all.holdOut]).toEqual([names(whole), names(whole), 0]);
    await expect(openTrainAndTest(root, { holdOut: 1 })).rejects.toThrow(
      "expected a part to hold out above 0 and below 1 (or 0: none), received 1: 0.1 or 0.2 is usual",
    );
    expect([40, 499, 500, 60_000].map(heldOutPart)).toEqual([0.2, 0.2, 0.1, 0.1]);
    expect(pictureName(memoryPictures(3), 2)).toBe("#2");
  });

  test("that are not there, or files, are told", async () => {
    await expect(openDataset("/nowhere/at/all")).rejects.toThrow(
      /a data set \(a folder, or fashion-mnist or fashion-mnist-subset\) at \/nowhere\/at\/all, received no such file/,
    );
    const root = temporaryFolder({ file: "x" });
    await expect(openDataset(join(root, "file"))).rejects.toThrow(
      /a folder at .*file, received a file: give the folder/,
    );
  });

  test("of idx files are unpacked by what they hold, not by half a sign of it; errors say which of the two it was", async () => {
    const images = writeIdx([1, 1, 1], Uint8Array.of(1));
    const labels = writeIdx([1], Uint8Array.of(1));
    const open = (first: Uint8Array, second: Uint8Array) =>
      openDataset(temporaryFolder({ "train-images-idx3-ubyte": first, "train-labels-idx1-ubyte": second }));
    expect((await open(gzipSync(images), gzipSync(labels))).length).toBe(1);
    for (const [start, magic] of [
      [[0x1f, 0], "0x1f000803"],
      [[0, 0x8b], "0x008b0803"],
    ] as const) {
      await expect(open(Uint8Array.of(...start, ...images.subarray(2)), labels)).rejects.toThrow(FormatError);
      await expect(open(Uint8Array.of(...start, ...images.subarray(2)), labels)).rejects.toThrow(`magic ${magic}`);
    }
    const cut = (bytes: Uint8Array): Uint8Array => gzipSync(bytes).subarray(0, 22);
    await expect(open(cut(images), labels)).rejects.toThrow(/an idx file of pictures in a gzip file/);
    await expect(open(images, cut(labels))).rejects.toThrow(/an idx file of labels in a gzip file/);
    const two = writeIdx([2], Uint8Array.of(1, 2));
    await expect(open(images, two)).rejects.toThrow(/as many labels as pictures \(1\), received .*labels.*: 2/);
  });
});

describe("quick checks", () => {
  const large = (length: number, bytes: number): Dataset => ({
    ...{ channels: 1, skipped: [], source: undefined, select: () => expect.fail("nobody selects") },
    ...{ name: "large", classNames: ["a", "b"], length, label: (index) => index % 2 },
    read: (index) => {
      if (index > 0) expect.fail("more than one picture is read");
      return { width: 1, height: 1, channels: 1, data: { length: bytes } as unknown as Uint8Array };
    },
  });

  test("look at no more pictures than can be read quickly, of both sets together", async () => {
    const bytes = Math.floor(2 ** 28 / 10) + 1;
    for (const [train, held] of [
      [8, 2],
      [2, 8],
    ] as const)
      expect(await quickChecks({ train: large(train, bytes), test: large(held, bytes) })).toEqual([]);
  });

  test("nor at more bytes of files; of files only those of a size that both sets have", async () => {
    const root = temporaryFolder();
    const files = (name: string, sizes: readonly number[], byte = 0): Dataset => {
      const path = join(root, name);
      mkdirSync(path);
      sizes.forEach((size, i) => {
        writeFileSync(join(path, `${i}`), "");
        truncateSync(join(path, `${i}`), size); // no disk is used for what is not written
        if (size > 0 && byte > 0) writeFileSync(join(path, `${i}`), new Uint8Array(size).fill(byte));
      });
      const source = { ...(folderOf([]).source as FolderSource), path, files: sizes.map((_, i) => `${i}`) };
      return folderOf([], [], { source, length: sizes.length, label: (index) => index % 2 });
    };
    const half = 2 ** 27 + 1;
    expect(await quickChecks({ train: files("a", [half, 5]), test: files("b", [5, half]) })).toEqual([]);
    const leak = [expect.objectContaining({ problem: "leak", message: "2 test pictures in the training set too" })];
    expect(await quickChecks({ train: files("c", [half, 5]), test: files("d", [5, 5, half + 1]) })).toEqual(leak);
    expect(await quickChecks({ train: files("e", [7, 5], 1), test: files("f", [7, 5], 2) })).toEqual([]);
    expect(await quickChecks({ train: files("g", [7, 5], 1), test: files("h", [5, 8, 7], 1) })).toEqual(leak);
  });
});

test("what the system refuses is said in words", () => {
  const error = (code: string) => unreadable("x", "a thing", Object.assign(new Error("why"), { code })).message;
  expect(error("ENOENT")).toBe("expected a thing at x, received no such file or folder: check the path");
  expect(error("EACCES")).toMatch(/received permission denied/);
  expect(error("EWHAT")).toMatch(/received why/);
});

describe("warnings", () => {
  const counts = (...pictures: number[]) => pictures.map((n, i) => ({ name: `c${i}`, pictures: n }));

  test("of classes of unequal size begin at three to one", () => {
    expect(balanceWarnings("set", counts(10, 29, 20))).toEqual([]);
    expect(balanceWarnings("set", counts(1200, 3600, 2000))).toEqual([
      {
        problem: "unbalanced",
        message: "set: the largest class (c1, 3,600 pictures) has 3.0 × the pictures of the smallest (c0, 1200)",
        remedy:
          "train makes up for it in the loss (--balance); accuracy hides how the small classes fare: look at the balanced one",
      },
    ]);
    expect(balanceWarnings("set", counts(1, 0))).toEqual([]);
    expect(balanceWarnings("set", counts(0, 4))[0]!.message).toContain(
      "has 4.0 × the pictures of the smallest (c0, 0)",
    );
    const classes = counts(9, 1);
    balanceWarnings("set", classes);
    expect(classes).toEqual(counts(9, 1));
  });

  test("of what is wrong in a survey name it, in one line each", () => {
    expect(leakWarnings(0)).toEqual([]);
    expect(describeDataWarning(leakWarnings(1)[0]!)).toBe(
      "1 test picture in the training set too; accuracy will look too good: take them out of one of the two",
    );
    const set = (name: string, more: object = {}) => ({
      ...{ name, pictures: 4, channels: 1 as const, classes: counts(2, 2), imbalance: 1, sizes: [] },
      ...{
        duplicates: 0,
        contradictions: 0,
        skipped: [],
        ignored: [],
        animated: 0,
        notes: [],
        lookalikes: [],
        ...more,
      },
    });
    const like = (n: number) => ({ index: n, of: n, picture: `t${n}`, original: `o${n}`, likeness: 1 });
    const lines = (train: object, test: object | undefined, leaked: number[], alike: number) =>
      surveyWarnings({
        train: set("train", train),
        test: test && set("test", test),
        leaked,
        leakedLookalikes: Array.from({ length: alike }, (_, i) => like(i)),
      }).map(describeDataWarning);
    expect(lines({}, {}, [], 0)).toEqual([]);
    expect(lines({}, undefined, [], 0)).toEqual([]);
    const skipped = [
      { file: "a", reason: "b" },
      { file: "c", reason: "d" },
    ];
    expect(lines({ contradictions: 1 }, { skipped, classes: counts(1, 5) }, [3, 4], 3)).toEqual([
      "train: 1 picture under several classes; one of the labels is wrong",
      "test: the largest class (c1, 5 pictures) has 5.0 × the pictures of the smallest (c0, 1); train makes up for it in the loss (--balance); accuracy hides how the small classes fare: look at the balanced one",
      "test: 2 files that cannot be used; they are left out; mend or remove them",
      "2 test pictures in the training set too; accuracy will look too good: take them out of one of the two",
      "3 test pictures that look the same as a training picture (test t0 = train o0, test t1 = train o1, test t2 = train o2); accuracy will look too good: take them out of one of the two",
    ]);
    expect(lines({}, {}, [], 1)).toEqual([
      expect.stringContaining("1 test picture that looks the same as a training picture (test t0 = train o0);"),
    ]);
    expect(lines({}, {}, [], 4)).toEqual([expect.stringContaining("test t2 = train o2, …)")]);
  });
});
