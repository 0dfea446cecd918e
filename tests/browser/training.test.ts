import { afterAll, beforeAll, expect, it } from "vitest";
import type { RunningSite } from "#repvgg/serve/static-files.node.js";
import { type OpenedPage, openLibrary, startSite } from "./support.js";

let site: RunningSite;
let opened: OpenedPage;
beforeAll(async () => {
  site = await startSite();
  opened = await openLibrary(site);
  await opened.page.evaluate(async () => {
    const { createEngine, fashionMnistClasses } = window.repvgg;
    const files = (prefix: string) => ({
      images: `/assets/fashion-mnist/${prefix}-images-idx3-ubyte.gz`,
      labels: `/assets/fashion-mnist/${prefix}-labels-idx1-ubyte.gz`,
    });
    window.trainer = await createEngine({ threads: 2 });
    window.pictures = await window.trainer.openPictures({
      name: "fashion-mnist-subset",
      classNames: fashionMnistClasses,
      train: files("train"),
      test: files("t10k"),
    });
  });
});
afterAll(async () => {
  await opened?.close();
  await site.close();
});

declare global {
  interface Window {
    trainer: import("repvgg/browser").Engine;
    pictures: import("repvgg/browser").EnginePictures;
  }
}

it("opens the shipped pictures", async () => {
  const seen = await opened.page.evaluate(async () => {
    const [first] = await window.pictures.read("test", [0]);
    const wrong = await window.pictures.read("train", [7000]).catch((error: Error) => error.message);
    return { info: window.pictures.info, label: first!.label, size: first!.picture.data.length, wrong };
  });
  expect(seen.info).toMatchObject({ name: "fashion-mnist-subset", channels: 1, train: 7000, test: 2000 });
  expect(seen.size).toBe(28 * 28);
  expect(seen.wrong).toMatch(/expected a picture from 0 to 6999 .*received 7000/);
});

it("trains, tells of it, and leaves the page's thread alone", async () => {
  const seen = await opened.page.evaluate(async () => {
    let longest = 0;
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) longest = Math.max(longest, duration);
    }).observe({ type: "longtask" });
    const net = await window.trainer.create("nano", { seed: 1 });
    const losses: number[] = [];
    const epochs: number[] = [];
    const watched: { step: number; sums: number[] }[] = [];
    const training = window.trainer.train(net, window.pictures, {
      epochs: 1,
      batchSize: 100,
      learningRate: 0.05,
      augmentation: "none",
      onStep: ({ loss, stepsPerEpoch }) => losses.push(stepsPerEpoch === 63 ? loss : Number.NaN),
      onEpoch: ({ validation }) => epochs.push(validation!.top1),
      watch: { indices: [0, 1, 2], everySteps: 21 },
      onWatched: ({ step, probabilities }) =>
        watched.push({ step, sums: probabilities.map((row) => row.reduce((a, b) => a + b)) }),
    });
    const { net: trained, interrupted, chosen, test } = await training.finished;
    const [{ picture, label }] = (await window.pictures.read("test", [0])) as [{ picture: never; label: number }];
    const { predictions } = await trained.classify(picture);
    return { losses, epochs, watched, interrupted, chosen, test, longest, info: trained.info, label, predictions };
  });
  expect(seen.losses).toHaveLength(63);
  expect(seen.losses.at(-1)).toBeLessThan(seen.losses[0]! / 2);
  expect(seen.epochs[0]).toBeGreaterThan(0.5);
  expect(seen.chosen).toMatchObject({ epoch: 1, validation: { top1: seen.epochs[0] } });
  expect(Math.abs(seen.test!.top1 - seen.epochs[0]!)).toBeLessThan(0.1);
  expect(seen.watched.map(({ step }) => step)).toEqual([1, 21, 42, 63]);
  for (const sum of seen.watched.flatMap(({ sums }) => sums)) expect(sum).toBeCloseTo(1, 6);
  expect(seen.interrupted).toBe(false);
  expect(seen.info.classNames[0]).toBe("T-shirt/top");
  expect(seen.info.provenance["trainedOn"]).toBe("fashion-mnist-subset/train, 6300 pictures, 1 epochs");
  expect(seen.predictions[0]!.probability).toBeGreaterThan(0.2);
  expect(seen.longest).toBe(0); // of tasks above 50 ms there were none
  expect(opened.errors).toEqual([]);
});

it("waits, goes on, shows itself and stops", async () => {
  const seen = await opened.page.evaluate(async () => {
    const net = await window.trainer.create("nano", { seed: 1 });
    let steps = 0;
    let tell: () => void = () => {};
    const reached = (count: number): Promise<void> =>
      new Promise((resolve) => {
        tell = () => {
          if (steps >= count) resolve();
        };
        tell();
      });
    const training = window.trainer.train(net, window.pictures, {
      epochs: 50,
      batchSize: 20,
      onStep: ({ step }) => {
        steps = step;
        tell();
      },
    });
    await reached(3);
    training.pause();
    const looked = await training.snapshot(); // answered after the pause has begun
    const paused = steps;
    const answer = await looked.classify(new ImageData(28, 28));
    const still = steps === paused;
    training.resume();
    await reached(paused + 3);
    training.stop();
    const { net: trained, interrupted, epochs } = await training.finished;
    const late = await training.snapshot().catch((error: Error) => error.message);
    return { still, interrupted, epochs, late, form: trained.info.form, answer: answer.predictions.length };
  });
  expect(seen).toMatchObject({ still: true, interrupted: true, epochs: [], form: "train", answer: 5 });
  expect(seen.late).toMatch(/^expected a training between its first and last step/);
});

it("gives the same bits on any number of threads, on the page's own thread too", async () => {
  const [one, two] = await opened.page.evaluate(async () => {
    const { memoryDataset, repvgg, train } = window.repvgg;
    const pixels = Uint8Array.from({ length: 40 * 28 * 28 }, (_, i) => (i * 37 + (i >> 5) * 11) % 256);
    const labels = Array.from({ length: 40 }, (_, i) => i % 2);
    const shape = { channels: 1 as const, height: 28, width: 28 };
    const data = memoryDataset({ name: "made", classNames: ["a", "b"], ...shape, pixels, labels });
    const weights: number[][] = [];
    for (const threads of [1, 2]) {
      const options = { epochs: 2, batchSize: 20, threads };
      const { model } = await train(repvgg("nano", { classNames: ["a", "b"] }), { train: data, test: data }, options);
      weights.push([...model.state.values()].flatMap((array) => Array.from(array.data.slice(0, 50) as never, Number)));
    }
    return weights;
  });
  expect(one!.length).toBeGreaterThan(1000);
  expect(one!.every(Number.isFinite)).toBe(true);
  expect(two).toEqual(one);
});

it("says why it cannot train", async () => {
  const messages = await opened.page.evaluate(async () => {
    const net = await window.trainer.create("nano", { seed: 1 });
    const other = await window.trainer.create("nano", { seed: 1, classNames: ["cat", "dog"] });
    const failed = (work: Promise<unknown>): Promise<string> =>
      work.then(
        () => "",
        (error: Error) => error.message,
      );
    return [
      await failed(window.trainer.train(net, window.pictures, { learningRate: -1 }).finished),
      await failed(window.trainer.train(other, window.pictures).finished),
    ];
  });
  expect(messages[0]).toBe("expected learningRate to be a number > 0, received -1");
  expect(messages[1]).toMatch(/^expected the model's 2 classes \(cat, dog\), received 10 classes/);
});
