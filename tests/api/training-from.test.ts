import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { memoryDataset } from "#repvgg/data/memory-dataset.js";
import { fold, type Model, repvgg, train } from "#repvgg/index.js";
import { isUntrained } from "#repvgg/recipe/training-setup.js";

const folder = mkdtempSync(join(tmpdir(), "repvgg-from-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function pictures(count: number, value: number) {
  const pixels = new Uint8Array(count * 64).map((_, i) => value + ((i * 37) % 60));
  const labels = Array.from({ length: count }, (_, i) => i % 2);
  return memoryDataset({ name: "m", classNames: ["a", "b"], channels: 1, height: 8, width: 8, pixels, labels });
}

const net = { depths: [1], widths: [4, 4] };
const settings = { classNames: ["a", "b"], inputChannels: 1 as const, inputSize: 8 };
const fresh = repvgg(net, settings);
const sets = { train: pictures(12, 30), test: pictures(4, 30) };
const options = { epochs: 1, threads: 1, workers: 0, learningRate: 0.01 };
let trained: Model;

beforeAll(async () => {
  trained = (await train(fresh, sets, options)).model;
});

describe("a net that begins with trained weights", () => {
  it("keeps its own preprocessing, also where its file does not say that it was trained; a fresh one takes the data's", async () => {
    expect(isUntrained(fresh)).toBe(true);
    expect(isUntrained(trained)).toBe(false);
    const { trainedOn, recalibratedOn, trainingSeed, ...provenance } = trained.metadata.provenance;
    expect([trainedOn, trainingSeed]).toEqual(["m, 12 pictures, 1 epochs", "0"]);
    expect(recalibratedOn).toBe("m, 12 pictures");
    // As an imported checkpoint has it: the usual mean, and nothing about its training.
    const preprocessing = { ...trained.metadata.preprocessing, mean: [0.485], std: [0.229] };
    const imported = { ...trained, metadata: { ...trained.metadata, provenance, preprocessing } };
    expect(isUntrained(imported)).toBe(false);
    const remarks: string[] = [];
    const tuned = await train(imported, sets, { ...options, onRemark: (remark) => remarks.push(remark) });
    expect(tuned.model.metadata.preprocessing).toEqual(preprocessing);
    expect(remarks.join()).toMatch(
      /the pictures have mean 0\.\d+ and deviation 0\.\d+, the model file says mean 0\.485/,
    );
    const dark = { train: pictures(12, 0), test: pictures(4, 0) };
    expect((await train(fresh, dark, options)).model.metadata.preprocessing.mean[0]).toBeLessThan(0.2);
  });

  it("is refused in plain form, which diverges", async () => {
    await expect(train(fold(trained), sets, options)).rejects.toThrow(
      "expected a net in training form, with its branches, received the plain form: without BatchNorm its training diverges: give its branches back (--from in the command, train({ from: model }, …) in the library), or begin with the file from before folding (a run's model.safetensors)",
    );
  });
});

describe("a training that fails", () => {
  it("before its first step leaves nothing, whatever the failure; files of others stay", async () => {
    const out = join(folder, "runs", "a");
    const failing = {
      ...sets,
      test: { ...sets.test, classNames: sets.test.classNames, read: broken, length: 4 } as never,
    };
    await expect(train(fresh, sets, { ...options, batchSize: 13, out })).rejects.toThrow("at least 13 pictures");
    expect(existsSync(join(folder, "runs"))).toBe(false);
    await expect(train(fresh, failing, { ...options, out })).rejects.toThrow();
    expect(existsSync(join(folder, "runs"))).toBe(false);
    const done = await train(fresh, sets, { ...options, out, report: false });
    expect(done.out).toBe(out);
    await expect(train(fresh, sets, { ...options, out })).rejects.toThrow("which holds a run");
    expect(readdirSync(out)).toContain("model.safetensors");
  });

  it("with a loss that is not finite, before the first checkpoint, leaves nothing either", async () => {
    const out = join(folder, "diverges");
    const wild = { ...options, learningRate: 1e30, warmupEpochs: 0, epochs: 50, batchSize: 4, out };
    await expect(train(fresh, sets, wild)).rejects.toThrow("expected a finite loss");
    const left = existsSync(out) ? readdirSync(out) : [];
    expect(left.length === 0 || left.includes("last.safetensors")).toBe(true);
  });
});

function broken(): never {
  throw new Error("unreadable");
}
