import { beforeAll, describe, expect, it } from "vitest";
import { rngFor } from "#repvgg/core/rng.js";
import { evaluate, fold, type Model, recalibrate, type TrainAndTest, train, UserError } from "#repvgg/index.js";
import { smallNet, someFashion } from "./support.js";

/** Running statistics as a careless conversion or a moving average of weights leaves them: of another net. */
function spoiled(model: Model): Model {
  const rng = rngFor(1, "spoil");
  const state = new Map(model.state);
  for (const [name, array] of model.state) {
    const noise = name.endsWith("running_mean")
      ? (x: number) => x + rng.normal()
      : name.endsWith("running_var")
        ? (x: number) => x * Math.exp(rng.normal())
        : undefined;
    const { shape, data } = array;
    if (noise) state.set(name, { dtype: "f32", shape, data: Float32Array.from(data as Float32Array, noise) });
  }
  return { ...model, state };
}

describe("recalibrate", () => {
  let sets: TrainAndTest;
  let trained: Model;
  let accuracy: number;

  beforeAll(async () => {
    sets = await someFashion({ train: 1500, test: 300 });
    const options = { epochs: 5, batchSize: 50, learningRate: 0.1, augmentation: "none", threads: 1 } as const;
    trained = (await train(smallNet(sets.train), sets, options)).model;
    accuracy = (await evaluate(trained, sets.test, { threads: 1 })).top1;
  }, 120_000);

  it("restores the accuracy of a net whose statistics are spoiled, in both forms", async () => {
    expect(accuracy).toBeGreaterThan(0.6);
    const bad = spoiled(trained);
    expect((await evaluate(bad, sets.test, { threads: 1 })).top1).toBeLessThan(accuracy - 0.15);
    const told: [number, number][] = [];
    const good = await recalibrate(bad, sets.train, { threads: 1, onImages: (...progress) => told.push(progress) });
    expect(told.at(-1)).toEqual([1500, 1500]);
    const { top1 } = await evaluate(good, sets.test, { threads: 1 });
    expect(Math.abs(top1 - accuracy)).toBeLessThan(0.05);
    expect((await evaluate(fold(good), sets.test, { threads: 1 })).top1).toBe(top1);
  });

  it("finds the same statistics where pictures lie sorted by class", async () => {
    const indices = Array.from({ length: sets.train.length }, (_, i) => i);
    const sorted = sets.train.select(indices.sort((a, b) => sets.train.label(a) - sets.train.label(b)));
    const [mixed, again] = await Promise.all(
      [sets.train, sorted].map((set) => recalibrate(trained, set, { threads: 1, batchSize: 50 })),
    );
    // Batches of one class would make those of the last stage smaller by 7 %.
    const name = "stage2.0.rbr_dense.bn.running_var";
    const [expected, found] = [mixed!, again!].map((model) => model.state.get(name)!.data as Float32Array);
    const off = Array.from(expected!, (value, i) => Math.abs(Math.log(found![i]! / value)));
    expect(off.reduce((sum, x) => sum + x) / off.length).toBeLessThan(0.01);
  });

  it("changes statistics only, says on what, and does not depend on what they were", async () => {
    const options = { threads: 1, images: 128 };
    const a = await recalibrate(trained, sets.train, options);
    const b = await recalibrate(spoiled(trained), sets.train, options);
    for (const [name, array] of trained.state) {
      expect(b.state.get(name)!.data, name).toEqual(a.state.get(name)!.data);
      if (!/running_|num_batches/.test(name)) expect(a.state.get(name)!.data, name).toEqual(array.data);
    }
    expect(a.metadata.provenance).toMatchObject({
      recalibratedOn: "fashion-mnist-subset/train, 128 pictures",
      trainedOn: expect.any(String),
    });
  });

  it("refuses the plain form", async () => {
    const refused = recalibrate(fold(trained), sets.train, { threads: 1 });
    await expect(refused).rejects.toThrow(UserError);
    await expect(refused).rejects.toThrow(
      /expected a model in training form, received the plain form.*: recalibrate before folding/,
    );
  });
});
