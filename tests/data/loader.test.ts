import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { FormatError, UserError } from "#repvgg/core/errors.js";
import { augmentationPreset } from "#repvgg/data/augmentation/config.js";
import type { Batch, Dataset, SkippedFile } from "#repvgg/data/dataset.js";
import { createInThreadLoader, type Loader } from "#repvgg/data/loader.js";
import { createLoader, type ThreadedLoaderOptions } from "#repvgg/data/loader.node.js";
import { decodeIntoMemory } from "#repvgg/data/memory-dataset.js";
import { openDataset } from "#repvgg/data/open-dataset.node.js";
import { cutJpeg, memoryPictures, pictureFolder } from "./pictures.js";

const training: ThreadedLoaderOptions = {
  batchSize: 4,
  size: [16, 12],
  channels: 3,
  seed: 5,
  augmentation: {
    ...augmentationPreset("imagenet", [16, 12]),
    colorJitter: { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 },
  },
};

function loaderOf(dataset: Dataset, options: ThreadedLoaderOptions): Loader {
  const loader = createLoader(dataset, options);
  onTestFinished(() => loader.dispose());
  return loader;
}

async function collect(batches: AsyncIterable<Batch>): Promise<Batch[]> {
  const result: Batch[] = [];
  for await (const batch of batches) result.push(batch);
  return result;
}

describe("batches", () => {
  test.each([
    ["pictures in memory", async () => memoryPictures(23)],
    ["an image folder", async () => openDataset(await pictureFolder(11))],
  ])("of %s are the same with 0, 1 and 2 workers, and from any step on", async (_title, open) => {
    const dataset = await open();
    const reference = createLoader(dataset, { ...training, workers: 0 });
    expect(reference.stepsPerEpoch).toBe(5);
    const epochs = [await collect(reference.epoch(0)), await collect(reference.epoch(1))];
    expect(epochs[0]).toHaveLength(5);
    expect(epochs[0]![0]).toMatchObject({ size: 4, height: 16, width: 12, channels: 3 });
    expect(epochs[0]![0]!.images.length).toBe(4 * 16 * 12 * 3);
    expect(epochs[0]![0]!.indices).not.toEqual(epochs[1]![0]!.indices);
    for (const workers of [1, 2]) {
      const loader = loaderOf(dataset, { ...training, workers });
      expect(await collect(loader.epoch(0))).toEqual(epochs[0]);
      expect(await collect(loader.epoch(1))).toEqual(epochs[1]);
      expect(await collect(loader.epoch(1, 3))).toEqual(epochs[1]!.slice(3));
      expect(await collect(loader.epoch(0, 4))).toEqual(epochs[0]!.slice(4));
    }
    expect(await collect(createLoader(dataset, { ...training, workers: 0 }).epoch(1, 2))).toEqual(epochs[1]!.slice(2));
  });

  test("an epoch that is left early does not disturb the next", async () => {
    const dataset = memoryPictures(40);
    const loader = loaderOf(dataset, { ...training, workers: 2, prefetch: 6 });
    const wanted = await collect(createInThreadLoader(dataset, training).epoch(3));
    for await (const batch of loader.epoch(2)) {
      expect(batch.size).toBe(4);
      break;
    }
    expect(await collect(loader.epoch(3))).toEqual(wanted);
  });

  test("one epoch at a time: an epoch that another one interrupts is told", async () => {
    const loader = loaderOf(memoryPictures(40), { ...training, workers: 1 });
    const first = loader.epoch(0)[Symbol.asyncIterator]().next();
    const second = loader.epoch(1)[Symbol.asyncIterator]().next();
    await expect(first).rejects.toThrow(/one at a time/);
    expect((await second).value).toMatchObject({ size: 4 });
  });

  test("another seed gives another order and other pictures", async () => {
    const dataset = memoryPictures(12);
    const [a] = await collect(createInThreadLoader(dataset, training).epoch(0));
    const [b] = await collect(createInThreadLoader(dataset, { ...training, seed: 6 }).epoch(0));
    expect(a!.indices).not.toEqual(b!.indices);
  });

  test("the variation of a picture depends on the epoch and its index, not on its place", async () => {
    const dataset = memoryPictures(12);
    const ordered = await collect(
      createInThreadLoader(dataset, { ...training, shuffle: false, batchSize: 5 }).epoch(4),
    );
    const shuffled = await collect(createInThreadLoader(dataset, training).epoch(4));
    const byIndex = (batches: Batch[]) =>
      new Map(
        batches.flatMap((batch) => {
          const bytes = batch.images.length / batch.size;
          return Array.from(
            batch.indices,
            (index, i) => [index, batch.images.slice(i * bytes, (i + 1) * bytes)] as const,
          );
        }),
      );
    expect(ordered.map((batch) => batch.size)).toEqual([5, 5, 2]);
    expect(new Map([...byIndex(shuffled)].sort(([a], [b]) => a - b))).toEqual(byIndex(ordered));
  });

  test("an epoch has every picture once, with its label; evaluation keeps the order and the short last batch", async () => {
    const dataset = memoryPictures(10);
    const shuffled = await collect(createInThreadLoader(dataset, { ...training, dropLast: false }).epoch(0));
    expect(shuffled.flatMap((batch) => [...batch.indices]).sort((a, b) => a - b)).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
    ]);
    for (const { indices, labels } of shuffled) expect([...labels]).toEqual(Array.from(indices, (index) => index % 3));
    const loader = loaderOf(dataset, { batchSize: 4, size: [12, 12], channels: 1, seed: 0, workers: 2 });
    expect(loader.stepsPerEpoch).toBe(3);
    const batches = await collect(loader.epoch(0));
    expect(batches.map((batch) => [...batch.indices])).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9],
    ]);
    expect(batches[2]!.images).toEqual(Uint8Array.from([...dataset.read(8).data, ...dataset.read(9).data]));
    expect(await collect(loader.epoch(7))).toEqual(batches);
  });

  test("impossible options are refused", () => {
    const dataset = memoryPictures(3);
    for (const batchSize of [0, 1.5, Number.NaN]) {
      expect(() => createLoader(dataset, { ...training, batchSize })).toThrow(/a batch size of at least 1/);
    }
    expect(() => createLoader(dataset, training)).toThrow(/at least 4 pictures .* received 3: use a smaller batch/);
    expect(() => createLoader(dataset, { ...training, augmentation: { flip: 2 } })).toThrow(UserError);
  });
});

describe("broken pictures", () => {
  test.each([0, 2])("in a lenient folder are skipped and told once (%i workers)", async (workers) => {
    const root = await pictureFolder(6, { "cat/cut.jpg": await cutJpeg(), "dog/text.png": "text" });
    const dataset = await openDataset(root);
    const told: SkippedFile[] = [];
    const loader = loaderOf(dataset, { ...training, workers, dropLast: false, onSkip: (file) => told.push(file) });
    const broken = 6; // cat/cut.jpg follows cat/000 … 005
    const reference = await collect(createLoader(dataset, { ...training, workers: 0, dropLast: false }).epoch(0));
    const epochs = [await collect(loader.epoch(0)), await collect(loader.epoch(1))];
    expect(epochs[0]).toEqual(reference);
    for (const epoch of epochs) {
      expect(epoch.map((batch) => batch.size)).toEqual([4, 4, 4, 1]);
      expect(epoch.flatMap((batch) => [...batch.indices])).not.toContain(broken);
    }
    expect(told.map((file) => file.file)).toEqual([join(root, "dog/text.png"), join(root, "cat/cut.jpg")]);
    expect(told[1]!.reason).toMatch(/damaged JPEG/);
    expect(loader.skipped).toEqual(told);

    const evaluation = loaderOf(dataset, { batchSize: 4, size: [16, 16], channels: 3, seed: 0, workers });
    const batches = await collect(evaluation.epoch(0));
    expect(batches.map((batch) => [...batch.indices])).toEqual([[0, 1, 2, 3], [4, 5, 7], [8, 9, 10, 11], [12]]);
    expect([...batches[1]!.labels]).toEqual([0, 0, 1]);
    expect(batches[1]!.images.length).toBe(3 * 16 * 16 * 3);
  });

  test.each([0, 2])("in a strict folder stop the epoch with the same error (%i workers)", async (workers) => {
    const root = await pictureFolder(6, { "cat/cut.jpg": await cutJpeg() });
    const dataset = await openDataset(root, "train", { strict: true });
    const loader = loaderOf(dataset, { ...training, workers, dropLast: false });
    const error = await collect(loader.epoch(0)).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(FormatError);
    expect((error as Error).message).toMatch(
      /expected a JPEG, PNG or WebP picture, received .*cat\/cut\.jpg \(damaged JPEG/,
    );
    // The loader goes on where it can.
    const good = loaderOf(dataset.select([0, 1, 2, 3]), { ...training, workers });
    expect(await collect(good.epoch(0))).toHaveLength(1);
  });

  test("everywhere are an error", async () => {
    const root = await pictureFolder(0, { "cat/a.jpg": await cutJpeg(), "dog/a.jpg": await cutJpeg() });
    const loader = createLoader(await openDataset(root), { ...training, batchSize: 1, workers: 0 });
    await expect(collect(loader.epoch(0))).rejects.toThrow(/a readable picture .* received only broken ones/);
  });
});

describe("workers", () => {
  test("a disposed loader says so, and disposing twice is harmless", async () => {
    const loader = createLoader(memoryPictures(20), { ...training, workers: 1 });
    await collect(loader.epoch(0));
    await loader.dispose();
    await loader.dispose();
    await expect(collect(loader.epoch(0))).rejects.toThrow(/disposed/);
  });

  test("a loader that is not disposed lets the process end; one that is waited for keeps it", () => {
    const script = `
      import { memoryDataset } from "#repvgg/data/memory-dataset.js";
      import { createLoader } from "#repvgg/data/loader.node.js";
      const dataset = memoryDataset({ name: "m", classNames: ["a", "b"], channels: 1, height: 4, width: 4,
        pixels: new Uint8Array(16 * 8), labels: [0, 1, 0, 1, 0, 1, 0, 1] });
      const loader = createLoader(dataset, { batchSize: 2, size: [4, 4], channels: 1, seed: 1, workers: 1, shuffle: true });
      let pictures = 0;
      for await (const batch of loader.epoch(0)) pictures += batch.size;
      console.log(pictures);`;
    const output = execFileSync(process.execPath, ["--input-type=module", "-e", script], {
      encoding: "utf8",
      timeout: 30_000,
    });
    expect(output.trim()).toBe("8");
  });
});

describe("decodeIntoMemory", () => {
  test("gives the same batches as the folder, without what is broken", async () => {
    const root = await pictureFolder(6, { "dog/zz.jpg": await cutJpeg() });
    const dataset = await openDataset(root);
    const memory = (await decodeIntoMemory(dataset))!;
    expect([memory.length, memory.name, memory.classNames]).toEqual([12, dataset.name, dataset.classNames]);
    expect(memory.skipped).toEqual([{ file: join(root, "dog/zz.jpg"), reason: expect.stringMatching(/damaged/) }]);
    const good = dataset.select(Array.from({ length: 12 }, (_, i) => i));
    const wanted = await collect(createLoader(good, { ...training, workers: 0 }).epoch(2));
    expect(await collect(loaderOf(memory, { ...training, workers: 1 }).epoch(2))).toEqual(wanted);
  });

  test("declines what needs too much memory", async () => {
    expect(await decodeIntoMemory(await openDataset(await pictureFolder(3)), { maxBytes: 1000 })).toBeUndefined();
  });
});
