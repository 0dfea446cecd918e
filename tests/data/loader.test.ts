import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { FormatError, UserError } from "#repvgg/core/errors.js";
import { rngFor } from "#repvgg/core/rng.js";
import { augment } from "#repvgg/data/augmentation/augment.js";
import { augmentationPreset } from "#repvgg/data/augmentation/config.js";
import type { Batch, Dataset, SkippedFile } from "#repvgg/data/dataset.js";
import { evalTransform } from "#repvgg/data/evaluation-transform.js";
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

  test("a picture is varied anew in each epoch, with each seed, and unlike its neighbours", async () => {
    // All pictures are the same one, so that only their variations tell them apart.
    const dataset = memoryPictures(1, { size: 24 }).select(new Array(12).fill(0));
    const all = { ...training, shuffle: false, batchSize: 12 };
    const seen = new Set<string>();
    for (const seed of [5, 6]) {
      const loader = createInThreadLoader(dataset, { ...all, seed });
      for (const epoch of [0, 1, 2]) {
        const [{ images, indices }] = (await collect(loader.epoch(epoch))) as [Batch];
        for (let i = 0; i < 12; i++) {
          const picture = images.slice((i * images.length) / 12, ((i + 1) * images.length) / 12);
          const framing = { size: [16, 12], channels: 3, cropRatio: 1 } as const;
          const rng = rngFor(seed, "augment", epoch, indices[i]!);
          expect(picture).toEqual(augment(dataset.read(0), training.augmentation!, framing, rng).data);
          seen.add(Buffer.from(picture).toString("base64"));
        }
      }
    }
    expect(seen.size).toBe(2 * 3 * 12);
  });

  test("without augmentation pictures are framed as for evaluation, by the crop ratio", async () => {
    const dataset = memoryPictures(3, { size: 20 });
    for (const cropRatio of [undefined, 0.5]) {
      const options = { batchSize: 3, size: [8, 10] as const, channels: 3 as const, seed: 1 };
      const [batch] = await collect(
        createInThreadLoader(dataset, { ...options, ...(cropRatio && { cropRatio }) }).epoch(2),
      );
      const wanted = [0, 1, 2].flatMap((i) => [
        ...evalTransform(dataset.read(i), { size: [8, 10], channels: 3, cropRatio: cropRatio ?? 1 }),
      ]);
      expect([...batch!.images]).toEqual(wanted);
    }
  });

  test("shuffling and the last batch follow from the augmentation, or are as they are asked for", async () => {
    const dataset = memoryPictures(10);
    const orders = async (options: Partial<ThreadedLoaderOptions>) => {
      const { augmentation: _, ...plain } = training;
      const batches = await collect(createInThreadLoader(dataset, { ...plain, ...options }).epoch(0));
      const indices = batches.flatMap((batch) => [...batch.indices]);
      return {
        sizes: batches.map(({ size }) => size),
        sorted: indices.join() === [...indices].sort((a, b) => a - b).join(),
      };
    };
    const augmentation = {};
    expect(await orders({})).toEqual({ sizes: [4, 4, 2], sorted: true });
    expect(await orders({ augmentation })).toEqual({ sizes: [4, 4], sorted: false });
    expect(await orders({ shuffle: true })).toEqual({ sizes: [4, 4], sorted: false });
    expect(await orders({ dropLast: true })).toEqual({ sizes: [4, 4], sorted: true });
    expect(await orders({ augmentation, shuffle: false })).toEqual({ sizes: [4, 4, 2], sorted: true });
    expect(await orders({ augmentation, dropLast: false })).toEqual({ sizes: [4, 4, 2], sorted: false });
    expect(await orders({ batchSize: 5 })).toEqual({ sizes: [5, 5], sorted: true });
    expect(await orders({ batchSize: 12 })).toEqual({ sizes: [10], sorted: true });
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
      /expected a JPEG, PNG, WebP, GIF, AVIF or TIFF picture, received .*cat\/cut\.jpg \(damaged JPEG/,
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
  /** The threads that a loader's tests wait for, and how many batches came from them. */
  function watchedWorkers(): { readonly workers: Set<Worker>; batches(): number; cancels(): number } {
    const workers = new Set<Worker>();
    const [emit, post] = [Worker.prototype.emit, Worker.prototype.postMessage];
    let [batches, cancels] = [0, 0];
    vi.spyOn(Worker.prototype, "emit").mockImplementation(function (this: Worker, ...args: Parameters<Worker["emit"]>) {
      if (args[0] === "message") batches++;
      return emit.apply(this, args);
    } as Worker["emit"]);
    vi.spyOn(Worker.prototype, "postMessage").mockImplementation(function (this: Worker, value: unknown) {
      workers.add(this);
      if ((value as { kind: string }).kind === "cancel") cancels++;
      return post.call(this, value);
    });
    onTestFinished(() => void vi.restoreAllMocks());
    return { workers, batches: () => batches, cancels: () => cancels };
  }

  test("do not make batches that nobody wants any more", async () => {
    const watched = watchedWorkers();
    const dataset = memoryPictures(400, { size: 32 });
    const loader = loaderOf(dataset, { ...training, batchSize: 8, workers: 1, prefetch: 200 });
    for await (const batch of loader.epoch(0)) {
      expect(batch.size).toBe(8);
      break;
    }
    const wanted = await collect(createInThreadLoader(dataset, { ...training, batchSize: 8 }).epoch(7));
    const got: Batch[] = [];
    for await (const batch of loader.epoch(7)) {
      got.push(batch);
      if (got.length === 2) break;
    }
    expect(got).toEqual(wanted.slice(0, 2));
    expect(watched.cancels()).toBe(1);
    expect(watched.batches()).toBeLessThan(200); // all of the first epoch's, and only then one of the other, would be more
  });

  test("of an unshuffled epoch make nothing beyond its end; of a shuffled one the next epoch's beginning", async () => {
    const watched = watchedWorkers();
    const dataset = memoryPictures(12);
    const evaluation = { batchSize: 4, size: [12, 12], channels: 1, seed: 0, workers: 1 } as const;
    expect(await collect(loaderOf(dataset, evaluation).epoch(0))).toHaveLength(3);
    expect(watched.batches()).toBe(3);
    const shuffled = loaderOf(dataset, { ...evaluation, shuffle: true, prefetch: 5 });
    const before = watched.batches();
    await collect(shuffled.epoch(0));
    await expect.poll(() => watched.batches() - before).toBe(3 + 4);
    const second = await collect(shuffled.epoch(1));
    expect(watched.cancels()).toBe(0);
    expect(second).toEqual(await collect(createInThreadLoader(dataset, { ...evaluation, shuffle: true }).epoch(1)));
  });

  test.each<[string, (worker: Worker) => void, RegExp]>([
    ["ends", (worker) => void worker.terminate(), /a loader's worker ended with code \d/],
    ["fails", (worker) => void worker.emit("error", new Error("out of memory")), /out of memory/],
  ])("that %s is told to who waits for its batch, and from then on", async (_, happens, message) => {
    const { workers } = watchedWorkers();
    const loader = loaderOf(memoryPictures(2000, { size: 32 }), { ...training, batchSize: 1000, workers: 1 });
    const waiting = collect(loader.epoch(0));
    waiting.catch(() => undefined);
    await expect.poll(() => workers.size).toBe(1);
    happens([...workers][0]!);
    await expect(waiting).rejects.toThrow(message);
    await expect(collect(loader.epoch(1))).rejects.toThrow(message);
  });

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
