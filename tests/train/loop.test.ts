import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backend } from "#repvgg/backend/backend.js";
import { createBackend } from "#repvgg/backend/select.node.js";
import type { NamedArrays } from "#repvgg/core/named-arrays.js";
import { createInThreadLoader } from "#repvgg/data/loader.js";
import { openTrainAndTest } from "#repvgg/data/open-dataset.node.js";
import { readSafetensors } from "#repvgg/formats/safetensors/read.js";
import { writeSafetensors } from "#repvgg/formats/safetensors/write.js";
import type { Model } from "#repvgg/nn/model.js";
import { repvgg } from "#repvgg/nn/repvgg.js";
import type { Checkpoint } from "#repvgg/train/checkpoint.js";
import { decodeCheckpoint, encodeCheckpoint } from "#repvgg/train/checkpoint.js";
import { type TrainConfig, trainConfig } from "#repvgg/train/config.js";
import type { HistoryRecord } from "#repvgg/train/history.js";
import { type TrainLoopOptions, trainLoop } from "#repvgg/train/loop.js";

const size = [28, 28] as const;
let sets: Awaited<ReturnType<typeof openTrainAndTest>>;
const backends = new Map<number, Backend>();

beforeAll(async () => {
  const whole = await openTrainAndTest("fashion-mnist-subset");
  const every = (length: number, count: number) =>
    Array.from({ length: count }, (_, i) => Math.floor((i * length) / count));
  sets = {
    train: whole.train.select(every(whole.train.length, 320)),
    test: whole.test.select(every(whole.test.length, 100)),
  };
  for (const threads of [1, 2]) backends.set(threads, await createBackend({ threads }));
});

afterAll(() => {
  for (const backend of backends.values()) backend.dispose();
});

const model = repvgg(
  { depths: [1, 1], widths: [8, 16, 16], strides: [2, 1, 2] },
  { classes: 10, inputChannels: 1, inputSize: 28, seed: 5 },
);

function config(overrides: Partial<TrainConfig> = {}): TrainConfig {
  const crop = { kind: "pad", padding: 2, fill: "zero" } as const;
  return trainConfig({
    epochs: 2,
    batchSize: 32,
    learningRate: 0.05,
    seed: 3,
    augmentation: { crop, flip: 0.5 },
    ...overrides,
  });
}

async function run(threads: number, c: TrainConfig, options: Partial<TrainLoopOptions> = {}, net: Model = model) {
  const common = { size, channels: 1 as const, seed: c.seed };
  const trainLoader = createInThreadLoader(sets.train, {
    ...common,
    batchSize: c.batchSize,
    augmentation: c.augmentation,
  });
  const testLoader = createInThreadLoader(sets.test, { ...common, batchSize: 50 });
  return trainLoop({ backend: backends.get(threads)!, model: net, config: c, trainLoader, testLoader, ...options });
}

function bits(state: NamedArrays): Record<string, string> {
  return Object.fromEntries(
    [...state].map(([name, { data }]) => [
      name,
      Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64"),
    ]),
  );
}

/** As a file would give it back. */
function throughFile(checkpoint: Checkpoint): Checkpoint {
  const { arrays, metadata } = encodeCheckpoint(checkpoint);
  const file = readSafetensors(writeSafetensors(arrays, metadata));
  return decodeCheckpoint(file.arrays, file.metadata, "test");
}

describe("trainLoop", () => {
  it("learns real pictures", async () => {
    const records: HistoryRecord[] = [];
    await run(2, config({ epochs: 8 }), { onRecord: (record) => records.push(record) });
    const epochs = records.filter((record) => record.kind === "epoch");
    expect(epochs.map((record) => record.epoch)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(epochs.at(-1)!.testTop1).toBeGreaterThan(0.5);
    expect(epochs.at(-1)!.trainLoss).toBeLessThan(epochs[0]!.trainLoss * 0.7);
  });

  const recipes: Record<string, Partial<TrainConfig>> = {
    "SGD with Nesterov momentum": {},
    "AdamW, average, mixup and cutmix": { optimizer: "adamw", learningRate: 0.002, ema: 0.95, mixup: 0.2, cutmix: 1 },
    "accumulated batches, label smoothing, custom L2": { accumulate: 4, labelSmoothing: 0.1, customL2: true },
  };
  for (const [name, overrides] of Object.entries(recipes)) {
    it(`ends with the same bits from any checkpoint, on 1 and on 2 threads: ${name}`, async () => {
      const c = config(overrides);
      const checkpoints: Checkpoint[] = [];
      const whole = await run(1, c, {
        checkpointSeconds: 0,
        onCheckpoint: async (checkpoint) => void checkpoints.push(throughFile(checkpoint)),
      });
      const expected = bits(whole.model.state);
      expect(bits((await run(2, c)).model.state)).toEqual(expected);
      // In the first epoch, at its last step before evaluation, between epochs, in the second.
      for (const at of [0, 4, 9, 10, 13, 20]) {
        const resumed = await run(2, c, { resume: checkpoints[at]! });
        expect(resumed.position).toEqual(whole.position);
        expect(bits(resumed.model.state)).toEqual(expected);
      }
      expect(bits((await run(1, { ...c, seed: 4 })).model.state)).not.toEqual(expected);
    });
  }

  it("stops at a signal with a checkpoint that goes on to the same end", async () => {
    const c = config();
    const stop = new AbortController();
    let last: Checkpoint | undefined;
    const first = await run(2, c, {
      signal: stop.signal,
      onStep: (position) => position.step === 7 && stop.abort(),
      onCheckpoint: async (checkpoint) => {
        last = throughFile(checkpoint);
      },
    });
    expect(first.interrupted).toBe(true);
    expect(last!.position.step).toBe(7);
    const resumed = await run(2, c, { resume: last! });
    expect(bits(resumed.model.state)).toEqual(bits((await run(2, c)).model.state));
  });

  it("stops at a loss that is not a number, says where, and keeps the last good checkpoint", async () => {
    const checkpoints: Checkpoint[] = [];
    const c = config({ learningRate: 1e12, warmupEpochs: 0 });
    const failing = run(1, c, { checkpointSeconds: 0, onCheckpoint: async (k) => void checkpoints.push(k) });
    await expect(failing).rejects.toThrow(/expected a finite loss and finite weights, received/);
    for (const { model: state } of checkpoints) {
      for (const [name, { data }] of state) {
        if (data instanceof Float32Array && !data.every(Number.isFinite)) expect.fail(`${name} is not finite`);
      }
    }
  });

  it("leaves no kernel memory behind, also after a failure", async () => {
    const backend = backends.get(1)!;
    await run(1, config({ epochs: 1 }));
    const before = backend.memory.usedWords;
    await run(1, config({ epochs: 1, ema: 0.9 }));
    await run(1, config({ learningRate: 1e12, warmupEpochs: 0 })).catch(() => undefined);
    expect(backend.memory.usedWords).toBe(before);
  });

  it("averages weights by the decay of the moving average", async () => {
    const plain = await run(1, config({ epochs: 1 }));
    const averaged = await run(1, config({ epochs: 1, ema: 0.999 }));
    expect(bits(averaged.model.state)).not.toEqual(bits(plain.model.state));
  });
});
