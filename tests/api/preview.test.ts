import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import { augmentationPreset } from "#repvgg/data/augmentation/config.js";
import type { Image } from "#repvgg/data/dataset.js";
import { createLoader } from "#repvgg/data/loader.node.js";
import { openDataset } from "#repvgg/data/open-dataset.node.js";
import { repvgg as freshNet, previewTraining, UserError } from "#repvgg/index.js";
import { shares, variantsIn } from "#repvgg/runs/preview-variants.js";
import { repvgg, repvggJson } from "../cli/support.js";
import { cutJpeg, encode, pictureFolder, temporaryFolder, uniform } from "../data/pictures.js";

const pixels = async (png: Uint8Array): Promise<Image> => {
  const { data, info } = await sharp(png).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, channels: 3, data };
};

test("variants are what a loader's batches have of the same pictures, epoch by epoch", async () => {
  const dataset = await openDataset(await pictureFolder(4));
  const framing = { size: [16, 16] as const, channels: 3 as const, cropRatio: 0.875 };
  const augmentation = augmentationPreset("small-images", [16, 16]);
  const law = { augmentation, mixup: 0, cutmix: 0, seed: 7 };
  const loader = createLoader(dataset, { ...framing, batchSize: 4, augmentation, seed: 7, workers: 0 });
  const shown = await Promise.all([0, 3, 6].map(async (index) => ({ index, image: await dataset.read(index) })));
  let compared = 0;
  for (const epoch of [0, 1, 2]) {
    const { images, mixing } = variantsIn(epoch, shown, law, framing);
    expect(mixing).toBeUndefined();
    for await (const batch of loader.epoch(epoch)) {
      shown.forEach(({ index }, row) => {
        const at = batch.indices.indexOf(index);
        if (at < 0) return;
        compared++;
        expect(images[row]!.data).toEqual(batch.images.slice(at * 16 * 16 * 3, (at + 1) * 16 * 16 * 3));
      });
    }
  }
  expect(compared).toBe(9);
  await loader.dispose();
});

test("mixup blends and CutMix pastes rows with each other, by the shares that are told", () => {
  const shown = [0, 100, 200].map((value, index) => ({ index, image: uniform(8, 8, 1, value) }));
  const framing = { size: [8, 8] as const, channels: 1 as const, cropRatio: 1 };
  for (const [mixup, cutmix] of [
    [1, 0],
    [0, 1],
  ] as const) {
    for (const epoch of [0, 1, 2, 3]) {
      const { images, mixing } = variantsIn(epoch, shown, { augmentation: {}, mixup, cutmix, seed: 1 }, framing);
      images.forEach(({ data }, row) => {
        const [own, other] = [100 * row, 100 * mixing!.partner[row]!];
        const expected = mixing!.lambda * own + (1 - mixing!.lambda) * other;
        expect(data.reduce((sum, x) => sum + x, 0) / 64).toBeCloseTo(expected, 0);
      });
    }
  }
  expect(shares(0.7, "a", "b")).toEqual(["70% a", "30% b"]);
  expect(shares(0.7, "a", "a")).toEqual(["a"]);
});

test("the sheet has the pictures' colours where they belong, and names them; broken ones are passed over", async () => {
  const files: Record<string, Uint8Array> = { "red/0.jpg": await cutJpeg() };
  for (let i = 1; i < 6; i++) {
    files[`red/${i}.png`] = await encode(
      { ...uniform(20, 20, 3, 0), data: Uint8Array.from({ length: 1200 }, (_, k) => (k % 3 === 0 ? 255 : 0)) },
      "png",
    );
    files[`blue/${i}.png`] = await encode(
      { ...uniform(20, 20, 3, 0), data: Uint8Array.from({ length: 1200 }, (_, k) => (k % 3 === 2 ? 255 : 0)) },
      "png",
    );
  }
  const folder = temporaryFolder(files);
  const model = freshNet("nano", { classNames: ["blue", "red"], inputSize: [20, 20], inputChannels: 3 });
  const preview = await previewTraining(model, folder, { augmentation: "none", epochs: 2, holdOut: 0 });
  expect(preview.pictures.map(({ className }) => className)).toEqual(["blue", "blue", "blue", "red", "red", "red"]);
  expect(preview.pictures[3]!.picture).toBe("red/1.png");
  expect(preview.size).toEqual([20, 20]);
  const sheet = await pixels(preview.png);
  // Counted in the whole sheet: six rows of four equal places.
  const count = (...[r, g, b]: [number, number, number]): number => {
    let found = 0;
    for (let i = 0; i < sheet.data.length; i += 3) {
      if (sheet.data[i] === r && sheet.data[i + 1] === g && sheet.data[i + 2] === b) found++;
    }
    return found / (224 * 224);
  };
  expect(count(255, 0, 0)).toBeCloseTo(12, 0);
  expect(count(0, 0, 255)).toBeCloseTo(12, 0);
  // Of every class one at most twelve rows.
  await expect(previewTraining(model, folder, { epochs: 0 })).rejects.toThrow(UserError);
});

test("repvgg train --preview draws a sheet and leaves nothing else", async () => {
  const data = await pictureFolder(8);
  const cwd = temporaryFolder();
  const told = await repvggJson(["train", data, "--preview", "--mixup", "0.2", "--size", "32"], 0, cwd);
  const name = `${data.split("/").at(-1)}-preview.png`;
  expect(told).toMatchObject({ preview: name, size: [32, 32], config: { mixup: 0.2 } });
  expect(readdirSync(cwd)).toEqual([name]);
  const behind = await repvgg(["train", "--preview", data], { cwd });
  expect(behind).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/the data comes first: repvgg train .* --preview\n$/),
  });
  const resumed = await repvgg(["train", "--resume", "x", "--preview", "a.png"], { cwd });
  expect(resumed.stderr).toMatch(/only one of --preview and --resume/);
  const nowhere = await repvgg(["train", data, "--preview", "no/such/a.png"], { cwd });
  expect(nowhere).toMatchObject({ code: 1, stderr: expect.stringMatching(/no such file or folder/) });
  expect(existsSync(join(cwd, "runs"))).toBe(false);
});
