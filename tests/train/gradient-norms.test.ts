import { afterAll, describe, expect, it } from "vitest";
import { createBackend } from "#repvgg/backend/select.node.js";
import { rngFor } from "#repvgg/core/rng.js";
import type { Batch } from "#repvgg/data/dataset.js";
import { repvgg } from "#repvgg/nn/repvgg.js";
import { trainConfig } from "#repvgg/train/config.js";
import { gradientNorms } from "#repvgg/train/gradient-norms.js";
import { Trainer } from "#repvgg/train/trainer.js";

const backend = await createBackend({ threads: 1 });
afterAll(() => backend.dispose());

const model = repvgg(
  { depths: [1, 2], widths: [8, 8, 16], strides: [1, 1, 2] },
  { classes: 4, inputSize: 8, seed: 2, statistics: "seeded" },
);

function batchOf(seed: number): Batch {
  const rng = rngFor(seed, "batch");
  return {
    ...{ size: 6, height: 8, width: 8, channels: 3 },
    images: Uint8Array.from({ length: 6 * 8 * 8 * 3 }, () => rng.int(256)),
    labels: Int32Array.from({ length: 6 }, () => rng.int(4)),
    indices: Int32Array.from({ length: 6 }, (_, i) => i),
  };
}

const batches = [batchOf(1), batchOf(2), batchOf(3)];

/** The gradient that one step of plain SGD with rate 1 subtracts from each weight. */
function steps(batch: Batch): Map<string, Float64Array> {
  const trainer = new Trainer(
    backend,
    model,
    trainConfig({ momentum: 0, nesterov: false, weightDecay: 0, augmentation: {} }),
  );
  try {
    trainer.step(batch, 1, 0, 0);
    const { model: after } = trainer.state();
    return new Map(
      [...model.state].map(([name, { data }]) => [
        name,
        Float64Array.from(data as Float32Array, (value, i) => Number(value) - Number(after.get(name)!.data[i])),
      ]),
    );
  } finally {
    trainer.dispose();
  }
}

describe("gradient norms", () => {
  it.each([
    ["one batch", batches.slice(0, 1)],
    ["the mean of several", batches],
  ])("are those of what SGD subtracts, of %s", async (_, some) => {
    const norms = await gradientNorms(backend, model, trainConfig({ augmentation: {} }), some);
    const moved = some.map(steps);
    expect(norms.length).toBeGreaterThan(20);
    for (const { name, norm } of norms) {
      const mean = moved[0]!
        .get(name)!
        .map((_, i) => moved.reduce((sum, one) => sum + one.get(name)![i]!, 0) / some.length);
      const expected = Math.hypot(...mean);
      expect(Math.abs(norm - expected), `${name}: ${norm}, ${expected}`).toBeLessThan(1e-5 + 2e-3 * expected);
    }
  });

  it("leave the model as it is, and do not count weight decay of either kind", async () => {
    const before = [...model.state].map(([, { data }]) => data.slice());
    const plain = await gradientNorms(backend, model, trainConfig({ augmentation: {} }), batches);
    const decayed = await gradientNorms(
      backend,
      model,
      trainConfig({ weightDecay: 1, customL2: true, augmentation: {} }),
      batches,
    );
    expect(decayed).toEqual(plain);
    expect([...model.state].map(([, { data }]) => data)).toEqual(before);
  });
});
