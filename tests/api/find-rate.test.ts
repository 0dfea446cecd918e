import { afterAll, describe, expect, it } from "vitest";
import { createBackend } from "#repvgg/backend/select.node.js";
import { f32 } from "#repvgg/core/named-arrays.js";
import { findLearningRate, train } from "#repvgg/index.js";
import { smallNet, someFashion } from "./support.js";

const sets = await someFashion({ train: 60, test: 10 });
const options = { batchSize: 10, seed: 1, augmentation: "none", threads: 1, workers: 0 } as const;
const backends = [await createBackend({ threads: 1 }), await createBackend({ threads: 2 })];
afterAll(() => {
  for (const backend of backends) backend.dispose();
});

describe("findLearningRate", async () => {
  const net = smallNet(sets.train);
  const weights = (): string[] =>
    [...net.state].map(([name, { data }]) => `${name} ${[...data.slice(0, 9)].join(" ")}`);
  const before = weights();
  const found = await findLearningRate(net, sets, { ...options, backend: backends[0]! });

  it("suggests a rate that trains better than a hundredth and thirty times of it", async () => {
    const lossAt = async (learningRate: number): Promise<number> => {
      const run = train(net, sets, { ...options, learningRate, epochs: 8, backend: backends[0]! });
      return (await run).epochs.at(-1)!.trainLoss;
    };
    const rate = found.suggestion!;
    const own = await lossAt(rate);
    expect(own).toBeLessThan(0.7 * found.steps[0]!.loss);
    expect(own).toBeLessThan(await lossAt(rate / 100));
    expect(own).toBeLessThan(await lossAt(rate * 30));
  });

  it("gives the same numbers again on two threads, and leaves the net as it is", async () => {
    expect(await findLearningRate(net, sets, { ...options, backend: backends[1]! })).toEqual(found);
    expect(weights()).toEqual(before);
  });

  it("works from a net that was trained before, its backbone frozen", async () => {
    const run = train(net, sets, { ...options, learningRate: found.suggestion!, epochs: 8, backend: backends[0]! });
    const { model } = await run;
    // A head that knows nothing on features that tell the classes apart.
    const state = new Map(model.state);
    for (const name of ["linear.weight", "linear.bias"]) {
      state.set(name, f32(state.get(name)!.shape));
    }
    const from = { from: { ...model, state }, name: "a net" };
    const test = await findLearningRate(from, sets, {
      ...{ batchSize: 10, backend: backends[0]!, freeze: "all-but-head", augmentation: "none" },
    });
    expect(test.steps.length).toBeGreaterThan(20);
    expect(test.suggestion).toBeGreaterThan(0);
  });
});
