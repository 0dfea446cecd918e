import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createBackend } from "#repvgg/backend/select.node.js";
import {
  evaluate,
  fold,
  loadModel,
  type Model,
  predict,
  predictAll,
  resume,
  saveModel,
  type TrainAndTest,
  type TrainOptions,
  type TrainResult,
  train,
  trainAndTest,
  verify,
} from "#repvgg/index.js";
import { smallNet, someFashion } from "./support.js";

let folder: string;
let sets: TrainAndTest;
let result: TrainResult;
let model: Model;
const options = { epochs: 1, batchSize: 50, threads: 1 };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "repvgg-api-"));
  sets = await someFashion({ train: 200, test: 70 });
  result = await train(smallNet(sets.train), sets, options);
  model = result.model;
}, 120_000);

afterAll(() => rm(folder, { recursive: true, force: true }), 60_000);

describe("train", () => {
  it("without a folder writes nothing and returns the trained model and its epochs", () => {
    expect(result).toMatchObject({ interrupted: false, out: undefined, skipped: [] });
    expect(result.epochs).toMatchObject([{ epoch: 1, step: 4 }]);
    expect(readdirSync(folder)).toEqual([]);
    expect(model.metadata.provenance).toMatchObject({
      trainedOn: "fashion-mnist-subset/train, 200 pictures, 1 epochs",
      trainingSeed: "0",
    });
  });

  it("takes names and pixel statistics of the data for a fresh net, and leaves the given model as it was", () => {
    const { classNames, preprocessing } = model.metadata;
    expect(classNames).toEqual(sets.train.classNames);
    expect(preprocessing.mean[0]).toBeCloseTo(0.286, 1); // Fashion-MNIST's, by its authors: 0.2860, 0.3530
    expect(preprocessing.std[0]).toBeCloseTo(0.353, 1);
    const fresh = smallNet(sets.train);
    expect(fresh.metadata.preprocessing.mean).toEqual([0.5]);
    expect(fresh.metadata.provenance).not.toHaveProperty("trainedOn");
  });

  it("gives the same bits on two threads and with undefined options", async () => {
    const undefinedOptions = {
      learningRate: undefined,
      ema: undefined,
      customL2: undefined,
    } as unknown as TrainOptions;
    const again = await train(smallNet(sets.train), sets, { ...options, ...undefinedOptions, threads: 2, workers: 0 });
    for (const [name, { data }] of model.state) expect(again.model.state.get(name)!.data, name).toEqual(data);
  });

  it("names an option that it does not know, and one out of range", async () => {
    const wrong = (more: object): Promise<unknown> => train(smallNet(sets.train), sets, { ...options, ...more });
    await expect(wrong({ batchsize: 3 })).rejects.toThrow(
      'expected a known training option, received "batchsize": did you mean "batchSize"?',
    );
    await expect(wrong({ epochs: 0 })).rejects.toThrow("expected epochs to be a whole number ≥ 1, received 0");
    await expect(wrong({ momentum: 1 })).rejects.toThrow(
      "expected momentum to be a number from 0 to below 1, received 1",
    );
    await expect(wrong({ batchSize: 5, accumulate: 2 })).rejects.toThrow(/batch size 5 in 2 parts/);
    await expect(wrong({ augmentation: "none!" })).rejects.toThrow(/expected an augmentation of none, /);
  });

  it("stops at a signal; resume needs the data sets where the run was begun with open ones", async () => {
    const out = join(folder, "run");
    const stop = new AbortController();
    const begun = await train(smallNet(sets.train), sets, {
      ...options,
      out,
      signal: stop.signal,
      onStep: () => stop.abort(),
    });
    expect(begun).toMatchObject({ interrupted: true, out, epochs: [] });
    expect(existsSync(join(out, "model.safetensors"))).toBe(false);
    await expect(resume(out)).rejects.toThrow(
      "expected the data sets of the run, received none: give them to resume()",
    );
    const resumed = await resume(out, { threads: 1 }, sets);
    expect(resumed.epochs).toEqual(result.epochs);
    for (const [name, { data }] of model.state) expect(resumed.model.state.get(name)!.data, name).toEqual(data);
    await expect(train(smallNet(sets.train), sets, { ...options, out })).rejects.toThrow(/which holds a run/);
  });

  it("names its kernels, and remarks on others when it is resumed", async () => {
    const out = join(folder, "other-kernels");
    const stop = new AbortController();
    await train(smallNet(sets.train), sets, {
      ...{ ...options, out, kernels: "wasm", signal: stop.signal },
      onStep: () => stop.abort(),
    });
    const file = join(out, "config.json");
    const config = JSON.parse(readFileSync(file, "utf8"));
    expect(config.arithmetic).toBe("wasm");
    const remarks: string[] = []; // on kernels: a run this short is remarked on for other reasons too
    const onRemark = (sentence: string) => {
      if (sentence.includes("kernels")) remarks.push(sentence);
    };
    const goOn = { ...options, kernels: "wasm", onRemark } as const;
    await resume(out, goOn, sets);
    expect(remarks).toEqual([]);
    writeFileSync(file, JSON.stringify({ ...config, arithmetic: "native pdp-11" }));
    await resume(out, goOn, sets);
    expect(remarks).toEqual([
      'the run was begun with kernels "native pdp-11" and goes on with "wasm": its result will differ in the last bits',
    ]);
  });

  it("remembers a place and its split", async () => {
    const opened = await trainAndTest("fashion-mnist-subset", { holdOut: 0.2, seed: 3 });
    expect(opened.origin).toEqual({ place: "fashion-mnist-subset", holdOut: 0.2, seed: 3 });
  });
});

describe("fold, verify, evaluate", () => {
  it("agree on both forms; a plain model folds to itself", async () => {
    const plain = fold(model);
    expect(plain.form).toBe("plain");
    expect(fold(plain)).toBe(plain);
    const told: number[] = [];
    const verification = await verify(model, plain, {
      data: sets.test,
      threads: 1,
      onImages: (done) => told.push(done),
    });
    expect(verification).toMatchObject({ samples: 70, agree: true, top1Disagreements: 0 });
    expect(told).toEqual([32, 64, 70]);
    expect((await verify(model, plain, { data: sets.test, images: 10, threads: 1 })).samples).toBe(10);
    const [a, b] = [await evaluate(model, sets.test, { threads: 1 }), await evaluate(plain, sets.test, { threads: 1 })];
    expect(a.top1).toBe(result.test!.top1);
    expect(b.confusion).toEqual(a.confusion);
  });

  it("work on the caller's backend and leave it to him", async () => {
    const backend = await createBackend({ threads: 1 });
    try {
      const first = await evaluate(model, sets.test, { backend });
      const second = await evaluate(model, sets.test, { backend, batchSize: 7 });
      expect(second.confusion).toEqual(first.confusion);
    } finally {
      backend.dispose();
    }
  });

  it("random inputs depend on the seed only", async () => {
    const other = smallNet(sets.train, 9);
    const measure = (seed: number) => verify(model, other, { seed, images: 3, threads: 1 });
    const [a, b, c] = [await measure(1), await measure(1), await measure(2)];
    expect(a).toEqual(b);
    expect(c.outputs).not.toEqual(a.outputs);
    expect(a.agree).toBe(false);
  });
});

describe("model files", () => {
  it("hold everything", async () => {
    const file = join(folder, "model.safetensors");
    await saveModel(model, file);
    expect(await loadModel(file)).toEqual(model);
    await expect(saveModel(model, join(folder, "model.bin"))).rejects.toThrow(
      `expected a file name that ends in .safetensors, .pth, .pt, .onnx, received ${join(folder, "model.bin")}`,
    );
  });
});

describe("predict", () => {
  it("takes a path, a file's bytes or pixels", async () => {
    const image = await sets.test.read(0);
    const { data, width, height, channels } = image;
    const file = join(folder, "picture.png");
    await sharp(data, { raw: { width, height, channels } }).toColourspace("b-w").png().toFile(file);
    const all = await predictAll(model, [file, readFileSync(file), image], { threads: 1, top: 10 });
    expect(all[1]).toEqual(all[0]);
    expect(all[2]).toEqual(all[0]);
    expect(all[0]!.map(({ classIndex }) => classIndex).sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const probabilities = all[0]!.map(({ probability }) => probability);
    expect(probabilities).toEqual([...probabilities].sort((a, b) => b - a));
    expect(await predict(model, file, { threads: 1 })).toEqual(all[0]!.slice(0, 5));
  });
});
