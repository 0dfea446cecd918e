import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import {
  type CrossValidation,
  evaluate,
  type FoldsOptions,
  loadModel,
  resumeFolds,
  type TrainAndTest,
  trainFolds,
} from "#repvgg/index.js";
import { smallNet, someFashion } from "./support.js";

const folder = mkdtempSync(join(tmpdir(), "repvgg-folds-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const { train } = await someFashion({ train: 40, test: 10 });
const sets: TrainAndTest = { train, test: train.select(Array.from({ length: 40 }, (_, i) => i)), heldOut: 0 };
const fields = { epochs: 2, batchSize: 8, threads: 1, workers: 0, report: false, seed: 3, folds: 3 } as const;
const bits = (file: string): string => readFileSync(file).toString("base64");
const models = (out: string): string[] =>
  ["fold-1", "fold-2", "fold-3", "."].map((run) => bits(join(out, run, "model.safetensors")));

async function begin(name: string, options: Partial<FoldsOptions> = {}) {
  const out = join(folder, name);
  return { out, result: await trainFolds(smallNet(train), sets, { ...fields, out, ...options }) };
}

describe("cross-validation", async () => {
  const remarks: string[] = [];
  const { out, result } = await begin("whole", { onRemark: (sentence) => remarks.push(sentence) });

  it("judges every picture once, by a net that did not see it, and spreads are over the folds", async () => {
    const { crossValidation: found, final, interrupted } = result;
    const { pooled, folds, top1 } = found as CrossValidation;
    expect(interrupted).toBe(false);
    expect(pooled.images).toBe(40);
    expect(pooled.confusion.map((row) => row.reduce((a, b) => a + b))).toEqual(new Array(10).fill(4));
    expect(folds.map(({ images, trainedOn }) => images + trainedOn)).toEqual([40, 40, 40]);
    // Again, from the files: the fold of each picture, and the net of it.
    const { foldOf } = JSON.parse(readFileSync(join(out, "folds.json"), "utf8")) as { foldOf: number[] };
    let right = 0;
    for (let fold = 0; fold < 3; fold++) {
      const own = foldOf.flatMap((of, i) => (of === fold ? [i] : []));
      const { images, top1 } = await evaluate(
        await loadModel(join(out, `fold-${fold + 1}`, "model.safetensors")),
        train.select(own),
        { threads: 1 },
      );
      expect([images, top1]).toEqual([folds[fold]!.images, folds[fold]!.top1]);
      right += images * top1;
    }
    expect(pooled.top1).toBeCloseTo(right / 40, 12);
    const mean = folds.reduce((sum, fold) => sum + fold.top1, 0) / 3;
    expect(top1.mean).toBeCloseTo(mean, 12);
    expect(top1.deviation ** 2).toBeCloseTo(folds.reduce((sum, fold) => sum + (fold.top1 - mean) ** 2, 0) / 2, 12);
    const recalls = pooled.confusion.map((row, c) => row[c]! / 4);
    expect(pooled.balancedAccuracy).toBeCloseTo(recalls.reduce((a, b) => a + b) / 10, 12);
    expect(final!.out).toBe(out);
    expect(JSON.parse(readFileSync(join(out, "cross-validation.json"), "utf8"))).toEqual(found);
    expect(readFileSync(join(out, "README.md"), "utf8").match(/## Cross-validation/g)).toHaveLength(1);
    expect(new Set(remarks).size).toBe(remarks.length);
  });

  it("trains the last net on all pictures, with the settings of the folds", () => {
    const setup = (run: string) => JSON.parse(readFileSync(join(out, run, "config.json"), "utf8")).config;
    expect(setup(".")).toEqual(setup("fold-1"));
    expect(models(out)[0]).not.toBe(models(out)[3]);
  });

  it("ends with the same bits wherever it is stopped", async () => {
    // In the first fold, and in the net of all pictures.
    for (const stopAt of [1, 23]) {
      const stop = new AbortController();
      let steps = 0;
      const cut = await begin(`stopped-${stopAt}`, {
        signal: stop.signal,
        onStep: () => {
          if (++steps === stopAt) stop.abort();
        },
      });
      expect(cut.result.interrupted).toBe(true);
      const whole = await resumeFolds(cut.out, { threads: 1, workers: 0, report: false }, sets);
      expect(whole.crossValidation).toEqual(result.crossValidation);
      expect(models(cut.out)).toEqual(models(out));
    }
  }, 300_000);

  it("refuses other pictures, a folder that is taken, and a class that a net would never see", async () => {
    const fewer = { ...sets, train: train.select([0, 1, 2]) };
    await expect(resumeFolds(out, {}, fewer)).rejects.toThrow(/the 40 pictures that were dealt out.*3 in/);
    await expect(resumeFolds(out, {})).rejects.toThrow("the data sets of the run");
    await expect(trainFolds(smallNet(train), sets, { ...fields, out })).rejects.toThrow(/a new folder.*holds a run/);
    const lone = train.select(Array.from({ length: 40 }, (_, i) => i).filter((i) => train.label(i) !== 4 || i === 4));
    const elsewhere = join(folder, "lone");
    const asked = trainFolds(smallNet(train), { ...sets, train: lone }, { ...fields, out: elsewhere });
    await expect(asked).rejects.toThrow(/two pictures of class "Coat".*one picture/);
    expect(existsSync(elsewhere)).toBe(false);
    writeFileSync(join(folder, "stopped-1", "folds.json"), '{"folds":3}');
    await expect(resumeFolds(join(folder, "stopped-1"), {}, sets)).rejects.toThrow("the setup of a cross-validation");
  });

  it("names the classes that some folds do not test", async () => {
    const said: string[] = [];
    const stop = new AbortController();
    const few = train.select(Array.from({ length: 40 }, (_, i) => i).filter((i) => train.label(i) !== 4 || i < 20));
    await trainFolds(
      smallNet(train),
      { ...sets, train: few },
      {
        ...{ ...fields, out: join(folder, "few") },
        signal: stop.signal,
        onRemark: (sentence) => said.push(sentence),
        onStep: () => stop.abort(),
      },
    );
    expect(said.join("\n")).toMatch(/test no picture of a class.*Coat \(in 2 of 3\)/);
  });
});
