import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rngFor } from "#repvgg/core/rng.js";
import { memoryDataset } from "#repvgg/data/memory-dataset.js";
import { fold, loadModel, type Model, repvgg, resume, saveModel, train, verify } from "#repvgg/index.js";

const folder = mkdtempSync(join(tmpdir(), "repvgg-tune-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Noise, brighter in the class's corner of 8×8 pixels. */
function pictures(names: readonly string[], count: number, seed: number) {
  const rng = rngFor(seed, "pictures");
  const labels = Array.from({ length: count }, (_, i) => i % names.length);
  const pixels = Uint8Array.from({ length: count * 64 * 3 }, (_, at) => {
    const [label, pixel] = [labels[Math.floor(at / 192)]!, Math.floor(at / 3) % 64];
    const corner = (pixel >= 32 ? 2 : 0) + (pixel % 8 >= 4 ? 1 : 0);
    return rng.int(150) + (corner === label ? 90 : 0);
  });
  return memoryDataset({ name: "m", classNames: names, channels: 3, height: 8, width: 8, pixels, labels });
}

const setsOf = (names: readonly string[]) => ({ train: pictures(names, 48, 1), test: pictures(names, 24, 2) });
const options = { epochs: 2, threads: 1, workers: 0 };
const names = ["a", "b", "c"];
const settings = { classNames: names, inputSize: 8 };
let trained: Model;

beforeAll(async () => {
  const fresh = repvgg({ depths: [1, 1], widths: [8, 8, 8], strides: [1, 1, 2] }, settings);
  trained = (await train(fresh, setsOf(names), { ...options, epochs: 8, batchSize: 16, learningRate: 0.05 })).model;
});

async function tuned(from: Model | string, other: readonly string[], more: object = {}) {
  const remarks: string[] = [];
  const result = await train({ from }, setsOf(other), { ...options, ...more, onRemark: (line) => remarks.push(line) });
  return { ...result, remarks: remarks.join("\n") };
}

const others = ["a", "x", "c", "y"];

describe("train({ from })", () => {
  it("makes a net of other classes, keeps its preprocessing, and says all that it chose", async () => {
    const { model, remarks, test } = await tuned(trained, others, { epochs: 24 });
    expect(model.metadata.classNames).toEqual(others);
    expect(model.architecture.classes).toBe(4);
    expect(model.metadata.preprocessing).toEqual(trained.metadata.preprocessing);
    expect(model.metadata.provenance["tunedFrom"]).toBe("m, 48 pictures, 8 epochs");
    expect(model.metadata.provenance["trainedOn"]).toBe("m, 48 pictures, 24 epochs");
    expect(remarks).toContain("keeps its preprocessing: 8×8 pixels, mean ");
    expect(remarks).toContain(
      "a new head for 4 classes in place of 3: 2 carry names that the net knows (a, c) and keep their rows, the others begin at 0",
    );
    for (const field of ["batchSize", "learningRate", "backboneRate", "layerDecay", "batchNorm"])
      expect(remarks).toMatch(new RegExp(`chosen for 48 pictures and weights trained before: .*${field}`));
    expect(remarks).not.toMatch(/chosen .*epochs/);
    expect(test!.top1).toBeGreaterThan(0.4);
    // The library's own way to train the same classes on asks for no new head.
    await expect(train(trained, setsOf(others), options)).rejects.toThrow(
      "use the data that the model was trained on; to make it a net of these classes: repvgg train --from",
    );
  });

  it("keeps a head of the same classes, by name or by number", async () => {
    const frozen = { learningRate: 1e-30, weightDecay: 0 };
    const same = await tuned(trained, names, frozen);
    expect(same.remarks).toContain("the head stays: 3 classes as before");
    expect(same.model.state.get("linear.weight")).toEqual(trained.state.get("linear.weight"));
    const numbered = {
      ...trained,
      metadata: { ...trained.metadata, classNames: ["0", "1", "2"], assumed: ["classNames", "mean"] as const },
    };
    const { model, remarks } = await tuned(numbered, ["p", "q", "r"], frozen);
    expect(remarks).toContain("the head stays: 3 classes, which the net has as numbers only; they are taken in order");
    expect(model.metadata.classNames).toEqual(["p", "q", "r"]);
    expect(model.metadata).not.toHaveProperty("assumed");
    // Another order of the same names is another head, with the same rows.
    const turned = await tuned(trained, ["c", "b", "a"], frozen);
    expect(turned.remarks).toContain("all carry names that the net knows (c, b, a) and keep their rows");
    const bias = (of: Model) => [...of.state.get("linear.bias")!.data];
    expect(bias(turned.model)).toEqual(bias(trained).toReversed());
  });

  it("takes a fresh net's preprocessing as it is too: only train(model) fits it to the pictures", async () => {
    const fresh = repvgg({ depths: [1], widths: [8, 8] }, settings);
    expect((await tuned(fresh, others)).model.metadata.preprocessing).toEqual(fresh.metadata.preprocessing);
  });

  it("takes another input size where it is asked for", async () => {
    const { model } = await train({ from: trained, inputSize: [6, 10] }, setsOf(others), options);
    expect(model.metadata.preprocessing).toEqual({ ...trained.metadata.preprocessing, size: [6, 10] });
    await expect(train({ from: trained, inputSize: 0.5 }, setsOf(others), options)).rejects.toThrow(
      "expected inputSize: whole numbers from 1 to 4096, received 0.5×0.5",
    );
  });

  it("goes on from the plain form: with branches, which give the same outputs before the first step", async () => {
    const file = join(folder, "plain.safetensors");
    await saveModel(fold(trained), file);
    const out = join(folder, "from-plain");
    const { model, remarks, epochs, test } = await tuned(file, names, {
      epochs: 6,
      out,
      batchNorm: "live",
      report: false,
    });
    expect(remarks).toContain("plain form: its 3 blocks get branches again (3×3, 1×1, identity, each with BatchNorm)");
    const begun = await loadModel(join(out, "initial.safetensors"));
    expect(begun.form).toBe("train");
    const { verdict } = await verify(trained, begun, { data: setsOf(names).test, threads: 1 });
    expect(verdict).toBe("same");
    // Statistics of the pictures, not 0 and 1.
    const variance = begun.state.get("stage1.0.rbr_dense.bn.running_var")!.data as Float32Array;
    expect(variance.every((value) => value !== 1)).toBe(true);
    expect(epochs[0]!.trainLoss).toBeLessThan(2);
    expect(test!.top1).toBeGreaterThan(0.6);
    expect((await verify(model, fold(model), { threads: 1 })).verdict).toBe("same");
  });

  it("has the same bits whatever the form, the threads and whether it was stopped", async () => {
    const whole = join(folder, "whole");
    const fields = { epochs: 3, freeze: 1, out: whole, report: false };
    const at = await tuned(trained, others, fields);
    const again = await tuned(trained, others, { ...fields, out: undefined, threads: 2 });
    expect(again.model.state).toEqual(at.model.state);
    for (const freeze of [0, "all-but-head"] as const) {
      const stopped = join(folder, `stopped-${freeze}`);
      const control = new AbortController();
      let steps = 0;
      const onStep = (): void => {
        if (++steps === 8) control.abort();
      };
      const all = await tuned(fold(trained), others, { ...fields, freeze, out: undefined });
      const half = await tuned(fold(trained), others, {
        ...fields,
        freeze,
        out: stopped,
        signal: control.signal,
        onStep,
      });
      expect(half.interrupted).toBe(true);
      const done = await resume(stopped, { threads: 1, workers: 0, report: false }, setsOf(others));
      expect(done.model.state).toEqual(all.model.state);
      expect(done.model.metadata).toEqual(all.model.metadata);
    }
  });

  it("all but the head frozen: the rest keeps its bits, pictures are read twice at most", async () => {
    const read = { train: 0, test: 0 };
    const counted = (dataset: ReturnType<typeof pictures>, part: "train" | "test") =>
      new Proxy(dataset, {
        get(target, key) {
          if (key === "source") return undefined;
          const value = Reflect.get(target, key, target);
          if (typeof value !== "function") return value;
          if (key === "read") read[part]++;
          return value.bind(target);
        },
      });
    const sets = setsOf(others);
    const features: number[] = [];
    const result = await train(
      { from: trained },
      { train: counted(sets.train, "train"), test: counted(sets.test, "test") },
      { ...options, epochs: 30, freeze: "all-but-head", onFeatures: (done, total) => features.push(done / total) },
    );
    expect(result.epochs.length).toBe(30);
    // Once for the features; a few for what is looked at before.
    expect(read.train).toBeLessThan(5 * 48);
    expect(read.test).toBeLessThan(5 * 24);
    expect([features[0], features.at(-1)]).toEqual([0, 1]);
    for (const [name, array] of trained.state) {
      if (!name.startsWith("linear.")) expect(result.model.state.get(name), name).toEqual(array);
    }
    expect(result.test!.top1).toBeGreaterThan(0.4);
  });

  it("says when features are not kept", async () => {
    const frozen = { freeze: "all-but-head", epochs: 1 };
    expect((await tuned(trained, others, frozen)).remarks).toContain(
      "what the frozen part makes of 48 pictures is computed once and kept: [8] of each",
    );
    expect((await tuned(trained, others, { ...frozen, augmentation: "flip" })).remarks).toContain(
      "the frozen part runs in every step, because pictures are varied or mixed; unvaried (--augmentation none) its features are computed once and kept",
    );
    expect((await tuned(trained, others, { epochs: 1 })).remarks).not.toContain("frozen part");
  });

  it("recalibrates nothing that was frozen", async () => {
    const short = { epochs: 1, batchNorm: "frozen" };
    const { model, recalibration } = await tuned(trained, others, short);
    expect(recalibration).toBeNull();
    for (const [name, array] of trained.state) {
      if (/running_|num_batches/.test(name)) expect(model.state.get(name), name).toEqual(array);
    }
  });

  it("is refused in a line, and leaves no folder", async () => {
    const out = join(folder, "refused");
    const one = { train: pictures(["a"], 8, 1), test: pictures(["a"], 4, 1) };
    await expect(train({ from: trained }, one, { ...options, out })).rejects.toThrow(
      'expected at least two classes to tell apart, received one, "a"',
    );
    await expect(train({ from: trained }, setsOf(others), { ...options, out, freeze: 9 })).rejects.toThrow(
      "expected at most 3 stages to freeze of custom, which has stage 0 to stage 2, received 9",
    );
    await expect(train({ from: join(folder, "none.pth") }, setsOf(others), { ...options, out })).rejects.toThrow(
      "none.pth",
    );
    const onnx = join(folder, "net.onnx");
    await saveModel(trained, onnx);
    await expect(train({ from: onnx }, setsOf(others), { ...options, out })).rejects.toThrow(
      "expected a RepVGG with its weights by name, received ",
    );
    await expect(train({ from: "A0" }, setsOf(others), { ...options, out })).rejects.toThrow(
      "expected a net with weights, received A0",
    );
    await expect(train({ from: trained }, setsOf(others), { ...options, out, layerDecay: 2 })).rejects.toThrow(
      "expected layerDecay to be a number above 0, at most 1, received 2",
    );
    expect(existsSync(out)).toBe(false);
  });

  it("keeps its settings in the run's folder", async () => {
    const out = join(folder, "kept");
    await tuned(trained, others, { out, freeze: 1, batchNorm: "live", report: false });
    const { config } = JSON.parse(readFileSync(join(out, "config.json"), "utf8"));
    expect(config).toMatchObject({ freeze: 1, batchNorm: "live", epochs: 2 });
    expect(config.backboneRate).toBeLessThan(1);
    expect(readdirSync(out)).toContain("model.safetensors");
  });
});
