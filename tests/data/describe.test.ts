import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import { openDataset } from "#repvgg/data/open-dataset.node.js";
import { describeDataset } from "#repvgg/survey/describe.node.js";
import { quickChecks } from "#repvgg/survey/quick-checks.node.js";
import { describeDataWarning } from "#repvgg/survey/warnings.js";
import { writePictures } from "../../scripts/fashion-pictures.mjs";
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

test("lookalikes, within a set and from training to test; what matters is in the warnings", async () => {
  const root = temporaryFolder();
  await writePictures(root, { train: 200, test: 20 });
  const write = async (from: string, to: string) =>
    writeFileSync(join(root, to), await sharp(join(root, from)).jpeg({ quality: 85 }).toBuffer());
  await write("train/Bag/3.png", "train/Bag/x.jpg");
  await write("train/Bag/0.png", "test/Bag/x.jpg");
  cpSync(join(root, "train/Coat/1.png"), join(root, "test/Coat/x.png"));
  cpSync(join(root, "train/Coat/2.png"), join(root, "train/Bag/2x.png"));
  rmSync(join(root, "train/Shirt"), { recursive: true });
  mkdirSync(join(root, "train/Shirt"));
  cpSync(join(root, "test/Shirt/0.png"), join(root, "train/Shirt/a.png"));
  writeFileSync(join(root, "train/Shirt/broken.png"), "no picture");
  const survey = await describeDataset(await openDataset(root, "train"), await openDataset(root, "test"));
  const jpeg = { picture: "Bag/x.jpg", likeness: expect.closeTo(1, 2) };
  expect(survey.train.lookalikes).toMatchObject([{ ...jpeg, original: "Bag/3.png" }]);
  expect(survey.leakedLookalikes).toMatchObject([{ ...jpeg, original: "Bag/0.png" }]);
  expect(survey.test!.lookalikes).toEqual([]);
  expect(survey.leaked).toHaveLength(2);
  expect(survey.warnings.map(describeDataWarning)).toEqual([
    expect.stringMatching(
      /\/train: the largest class \(Bag, 22 pictures\) has 22\.0 × the pictures of the smallest \(Shirt, 1\);/,
    ),
    expect.stringMatching(/\/train: 1 picture under several classes; one of the labels is wrong/),
    expect.stringMatching(/\/train: 1 file that cannot be used; /),
    "2 test pictures in the training set too; accuracy will look too good: take them out of one of the two",
    "1 test picture that looks the same as a training picture (test Bag/x.jpg = train Bag/0.png); accuracy will look too good: take them out of one of the two",
  ]);
});

test("the shipped Fashion-MNIST has one lookalike, and nothing else to warn of", async () => {
  const [train, held] = await Promise.all(
    (["train", "test"] as const).map((split) => openDataset("fashion-mnist-subset", split)),
  );
  const survey = await describeDataset(train!, held);
  expect(survey.leakedLookalikes).toMatchObject([{ index: 434, of: 6879, picture: "#434" }]);
  expect(survey.warnings.map(({ problem }) => problem)).toEqual(["lookalike-leak"]);
  expect(await quickChecks({ train: train!, test: held! })).toEqual([]);
});

test("what shows without decoding: unbalanced classes, and equal files or pixels in both sets", async () => {
  const root = temporaryFolder();
  await writePictures(root, { train: 60, test: 20 });
  const open = () => Promise.all((["train", "test"] as const).map((split) => openDataset(root, split)));
  const [clean, held] = await open();
  expect(await quickChecks({ train: clean!, test: held! })).toEqual([]);
  cpSync(join(root, "train/Coat/1.png"), join(root, "test/Coat/x.png"));
  for (let i = 1; i < 6; i++) rmSync(join(root, `train/Shirt/${i}.png`));
  const [train, leaky] = await open();
  expect((await quickChecks({ train: train!, test: leaky! })).map(({ problem }) => problem)).toEqual([
    "unbalanced",
    "leak",
  ]);
  const memory = memoryPictures(10);
  expect((await quickChecks({ train: memory, test: memory.select([9, 3]) }))[0]!.message).toBe(
    "2 test pictures in the training set too",
  );
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
