import { cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { describeDataset } from "#repvgg/data/describe.node.js";
import { openDataset } from "#repvgg/data/open-dataset.node.js";
import { encode, memoryPictures, pictureFolder, temporaryFolder, wavesAndNoise } from "./pictures.js";

test("counts, sizes, imbalance, duplicates, contradictions, leaks and broken files", async () => {
  const root = temporaryFolder();
  const jpeg = await encode(wavesAndNoise(40, 40, 3, 9), "jpeg");
  cpSync(
    await pictureFolder(3, { "cat/cut.jpg": jpeg.subarray(0, jpeg.length >> 1), "cat/t.png": "text" }),
    join(root, "train"),
    {
      recursive: true,
    },
  );
  const copy = (from: string, to: string) => cpSync(join(root, from), join(root, to));
  copy("train/cat/000.png", "train/cat/900.png");
  copy("train/cat/000.png", "train/dog/900.png");
  for (const name of ["cat", "dog"]) mkdirSync(join(root, "test", name), { recursive: true });
  copy("train/cat/001.png", "test/cat/a.png");
  cpSync(join(await pictureFolder(5), "dog/004.png"), join(root, "test/dog/b.png"));

  const progress: number[] = [];
  const {
    train,
    test: held,
    leaked,
  } = await describeDataset(await openDataset(root, "train"), await openDataset(root, "test"), {
    onProgress: (done, total) => progress.push(done / total),
  });
  expect(train.classes).toEqual([
    { name: "cat", pictures: 4 },
    { name: "dog", pictures: 4 },
  ]);
  expect([train.pictures, train.duplicates, train.contradictions, train.imbalance, train.channels]).toEqual([
    8, 2, 1, 1, 3,
  ]);
  expect(train.sizes).toEqual([
    { width: 20, height: 18, pictures: 4 },
    { width: 21, height: 18, pictures: 2 },
    { width: 22, height: 18, pictures: 2 },
  ]);
  expect(train.skipped.map(({ file }) => file)).toEqual([
    join(root, "train/cat/cut.jpg"),
    join(root, "train/cat/t.png"),
  ]);
  expect([held!.pictures, held!.skipped.length, leaked]).toEqual([2, 0, [0]]);
  expect(progress.at(-1)).toBe(1);
  expect(JSON.parse(JSON.stringify(train))).toEqual(train);
});

test("one set in memory", async () => {
  const { train, test: held, leaked } = await describeDataset(memoryPictures(10));
  expect([train.pictures, train.duplicates, held, leaked]).toEqual([10, 0, undefined, []]);
  expect(train.imbalance).toBeCloseTo(4 / 3, 12);
});

test("a broken picture of a strict set is an error", async () => {
  const jpeg = await encode(wavesAndNoise(40, 40, 3, 9), "jpeg");
  const root = await pictureFolder(2, { "cat/cut.jpg": jpeg.subarray(0, jpeg.length >> 1) });
  await expect(describeDataset(await openDataset(root, "train", { strict: true }))).rejects.toThrow(/cut\.jpg/);
});
