import { afterAll, describe, expect, it } from "vitest";
import { createBackend } from "#repvgg/backend/select.node.js";
import { UserError } from "#repvgg/core/errors.js";
import { toFloat64 } from "#repvgg/core/named-arrays.js";
import { rngFor } from "#repvgg/core/rng.js";
import { createNetwork } from "#repvgg/nn/network.js";
import { recalibrate } from "#repvgg/nn/recalibrate.js";
import { repvgg } from "#repvgg/nn/repvgg.js";
import { RunningStats } from "#repvgg/nn/running-stats.js";
import { conv2d } from "#repvgg/tensor/ops/conv2d.js";
import { Tape } from "#repvgg/tensor/tape.js";
import type { Tensor } from "#repvgg/tensor/tensor.js";
import { expectRelative } from "./oracles.js";

const backend = await createBackend({ threads: 2 });
afterAll(() => backend.dispose());

const model = repvgg({ depths: [2], widths: [4, 4], strides: [1, 1] }, { classes: 3, inputSize: 6 });

/** Batches of unequal sizes, each of its own mean and deviation. */
const batches = [3, 5, 2].map((size, index) => {
  const rng = rngFor(4, "batch", index);
  return { size, data: Float32Array.from({ length: size * 6 * 6 * 3 }, () => index + (1 + index) * rng.normal()) };
});
type Batch = (typeof batches)[number];
const toInput = (tape: Tape, { size, data }: Batch): Tensor => tape.constant([size, 6, 6, 3], data);

async function* stream(items: readonly Batch[]): AsyncGenerator<Batch> {
  yield* items;
}

describe("recalibrate", () => {
  it("gives the exact statistics of all that the first layer sees", async () => {
    const before = backend.memory.usedWords;
    const recalibrated = await recalibrate(backend, model, stream(batches), toInput);
    expect(backend.memory.usedWords).toBe(before);

    const network = createNetwork(backend, model);
    const tape = new Tape(backend);
    const stats = new RunningStats(4);
    const weight = network.parameters().find(({ name }) => name === "stage0.rbr_dense.conv.weight")!.tensor;
    for (const batch of batches) stats.push(conv2d(tape, toInput(tape, batch), weight, { padding: 1 }).toArray());
    tape.dispose();
    network.dispose();

    const at = (name: string) => toFloat64(recalibrated.state.get(`stage0.rbr_dense.bn.${name}`)!);
    expectRelative(at("running_mean"), stats.mean, 1e-5, "mean");
    expectRelative(at("running_var"), stats.variance(true), 1e-5, "variance");
    expect([...at("num_batches_tracked")]).toEqual([3]);
  });

  it("changes statistics in every layer and nothing else", async () => {
    const recalibrated = await recalibrate(backend, model, batches, toInput);
    for (const [name, array] of recalibrated.state) {
      const same = JSON.stringify([...toFloat64(array)]) === JSON.stringify([...toFloat64(model.state.get(name)!)]);
      expect(same, name).toBe(!/running_mean|running_var|num_batches_tracked/.test(name));
    }
    expect(recalibrated.metadata).toEqual(model.metadata);
  });

  it("forgets what the statistics were before", async () => {
    const once = await recalibrate(backend, model, batches, toInput);
    const twice = await recalibrate(backend, once, batches, toInput);
    expect(twice.state).toEqual(once.state);
  });

  it("refuses a plain net and an empty stream", async () => {
    const plain = repvgg({ depths: [1], widths: [4, 4] }, { form: "plain" });
    await expect(recalibrate(backend, plain, batches, toInput)).rejects.toThrow(UserError);
    await expect(recalibrate(backend, model, [], toInput)).rejects.toThrow("at least one batch");
  });
});
