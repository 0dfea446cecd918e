import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { StudyPart } from "#repvgg/ablation/depth/plan.js";
import type { StudyRun } from "#repvgg/ablation/depth/results.js";
import { trainPart } from "#repvgg/ablation/depth/train-part.node.js";
import { rngFor } from "#repvgg/core/rng.js";
import { memoryDataset } from "#repvgg/data/memory-dataset.js";
import { trainConfig } from "#repvgg/train/config.js";
import { madePlan } from "./runs.js";

const folder = mkdtempSync(join(tmpdir(), "repvgg-part-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const pictures = (name: string, count: number) => {
  const rng = rngFor(0, name);
  return memoryDataset({
    ...{ name, classNames: ["dark", "light"], channels: 1 as const, height: 8, width: 8 },
    labels: Array.from({ length: count }, (_, i) => i % 2),
    pixels: Uint8Array.from({ length: count * 64 }, (_, i) => 90 * (Math.floor(i / 64) % 2) + rng.int(120)),
  });
};
const sets = { train: pictures("train", 40), choice: pictures("choice", 12), test: pictures("test", 20) };
const plan = {
  ...madePlan([5], { base: 1 }),
  config: trainConfig({ epochs: 3, batchSize: 10, warmupEpochs: 1, augmentation: { flip: 0.5 } }), // 4 steps an epoch
};
const part: StudyPart = {
  ...{ kind: "result", layers: 5, variant: "base", seed: 1, epochs: 3, learningRate: 0.1, warmupEpochs: 1 },
};
let places = 0;

/** Trains a part in a folder, stopped after so many steps; undefined: to its end. */
async function trained(place: string, after?: number, some = part): Promise<StudyRun | undefined> {
  const stop = new AbortController();
  const onStep = (steps: number): void => {
    if (steps === after) stop.abort();
  };
  return trainPart(plan, some, sets, { folder: place, threads: 1, signal: stop.signal, onStep });
}
const place = (): string => join(folder, String(places++));
const checkpoint = (of: string): boolean => existsSync(join(of, "last.safetensors"));
const outcome = ({ stepSeconds: _, peakBytes: __, ...run }: StudyRun): object => run;

const whole = (await trained(place()))!;

describe("a part of a study", () => {
  it("learns, and is judged by the test pictures; a choice by the others", async () => {
    expect(whole.judged).toMatchObject({ pictures: 20 });
    expect(whole.fitted).toMatchObject({ pictures: 40 });
    expect(whole.epochLosses).toHaveLength(3);
    expect(whole.epochLosses[0]).toBeGreaterThan(0.35); // the mean of its steps': guessing between two costs ln 2
    expect(whole.epochLosses[2]).toBeLessThan(whole.epochLosses[0]!);
    const choice = (await trained(place(), undefined, { ...part, kind: "choice" }))!;
    expect(choice.judged!.pictures).toBe(12);
    expect(choice.weights).toBe(whole.weights);
  });

  // Inside an epoch, at its last step, at the first of the next, at the last of all; and twice.
  it.each([[[1]], [[3]], [[4]], [[5]], [[11]], [[12]], [[2, 9]], [[4, 8, 12]]])(
    "ends with the same bits when it was stopped after steps %j",
    async (stops) => {
      const own = place();
      for (const after of stops) {
        expect(await trained(own, after)).toBeUndefined();
        expect(checkpoint(own)).toBe(true);
      }
      const run = (await trained(own))!;
      expect(outcome(run)).toEqual(outcome(whole));
      expect(run.peakBytes).toBe(whole.peakBytes);
      expect(run.stepSeconds).toBeGreaterThan(0);
    },
  );

  it.each([
    ["learning rate", { learningRate: 0.03 }],
    ["seed", { seed: 2 }],
    ["blocks", { variant: "no-branches" }],
    ["recipe", { variant: "ordinary-decay" }],
  ])("is begun anew where its checkpoint is of another %s", async (_, change) => {
    const own = place();
    expect(await trained(own, 6)).toBeUndefined();
    const other = { ...part, ...change };
    const run = (await trained(own, undefined, other))!;
    expect(outcome(run)).toEqual(outcome((await trained(place(), undefined, other))!));
    expect(run.weights).not.toBe(whole.weights);
  });
});
