import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import type { Backend } from "#repvgg/backend/backend.js";
import { createBackend } from "#repvgg/backend/select.node.js";
import type { NamedArrays } from "#repvgg/core/named-arrays.js";
import type { Batch } from "#repvgg/data/dataset.js";
import { createInThreadLoader, type Loader } from "#repvgg/data/loader.js";
import { openTrainAndTest } from "#repvgg/data/open-dataset.node.js";
import { readSafetensors } from "#repvgg/formats/safetensors/read.js";
import { writeSafetensors } from "#repvgg/formats/safetensors/write.js";
import type { Model } from "#repvgg/nn/model.js";
import { repvgg } from "#repvgg/nn/repvgg.js";
import type { Checkpoint } from "#repvgg/train/checkpoint.js";
import { decodeCheckpoint, encodeCheckpoint } from "#repvgg/train/checkpoint.js";
import { isTaken, taken } from "#repvgg/train/choosing.js";
import { type TrainConfig, trainConfig } from "#repvgg/train/config.js";
import type { HistoryRecord } from "#repvgg/train/history.js";
import { type TrainLoopOptions, trainLoop } from "#repvgg/train/loop.js";
import { learningRate } from "#repvgg/train/schedule.js";
import { Trainer } from "#repvgg/train/trainer.js";

const size = [28, 28] as const;
const batches = { size, channels: 1, seed: 3 } as const;
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
  const common = { ...batches, seed: c.seed };
  const trainLoader = createInThreadLoader(sets.train, {
    ...common,
    batchSize: c.batchSize,
    augmentation: c.augmentation,
  });
  const validationLoader = createInThreadLoader(sets.test, { ...common, batchSize: 50 });
  const loaders = { trainLoader, validationLoader };
  return trainLoop({ backend: backends.get(threads)!, model: net, config: c, ...loaders, ...options });
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
    expect(epochs.at(-1)!.validation!.top1).toBeGreaterThan(0.5);
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

  it("is its trainer's steps, each told its place in the run, with the schedule's rate", async () => {
    const c = config({ optimizer: "adamw", learningRate: 0.002, ema: 0.95, mixup: 0.2, cutmix: 1, accumulate: 2 });
    const loader = createInThreadLoader(sets.train, { ...batches, batchSize: 32, augmentation: c.augmentation });
    const trainer = new Trainer(backends.get(1)!, model, c);
    const schedule = { base: 0.002, final: 0, warmupSteps: 5, totalSteps: 20 };
    for (let epoch = 0, step = 0; epoch < 2; epoch++) {
      for await (const batch of loader.epoch(epoch)) {
        trainer.step(batch, learningRate(schedule, step), epoch, step);
        step++;
      }
    }
    expect(bits((await run(1, c)).model.state)).toEqual(bits(trainer.model().state));
    trainer.dispose();
  });

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

  it("records every few steps and each epoch, with the mean loss, the rate of that step and what the evaluation found", async () => {
    const c = config({ epochs: 3, warmupEpochs: 0.5 });
    const records: HistoryRecord[] = [];
    const losses: number[] = [];
    const whole = await run(1, c, {
      recordEvery: 4,
      onRecord: (record) => records.push(record),
      onStep: (position, loss) => {
        losses.push(loss);
        expect(position.step).toBe(losses.length);
        expect(position.stepInEpoch).toBe(((losses.length - 1) % 10) + 1);
      },
    });
    const rate = (step: number): number => learningRate({ base: 0.05, final: 0, warmupSteps: 5, totalSteps: 30 }, step);
    const steps = records.filter((record) => record.kind === "step");
    expect(steps).toEqual(
      [4, 8, 12, 16, 20, 24, 28].map((step) => ({
        ...{ kind: "step", step, epoch: Math.floor((step - 1) / 10) },
        ...{ loss: losses[step - 1], learningRate: rate(step - 1) },
      })),
    );
    const epochs = records.filter((record) => record.kind === "epoch");
    expect(epochs.map(({ step, epoch, learningRate: at }) => [step, epoch, at])).toEqual(
      [1, 2, 3].map((epoch) => [10 * epoch, epoch, rate(10 * epoch - 1)]),
    );
    for (const { epoch, trainLoss } of epochs) {
      const own = losses.slice(10 * (epoch - 1), 10 * epoch);
      expect(trainLoss).toBeCloseTo(own.reduce((sum, loss) => sum + loss, 0) / 10, 12);
    }
    const trainer = new Trainer(backends.get(1)!, whole.model, c);
    const { count, loss, top1, top5 } = await trainer.evaluate(
      createInThreadLoader(sets.test, { ...batches, seed: c.seed, batchSize: 50 }).epoch(0),
    );
    trainer.dispose();
    expect(count).toBe(100);
    expect(epochs.at(-1)!.validation).toEqual({ loss, top1, top5 });
    expect(whole.position).toEqual({ step: 30, epoch: 3, stepInEpoch: 0, lossSum: 0, best: expect.anything() });
    expect(whole.interrupted).toBe(false);
  });

  it("resumed in the middle of an epoch, records what the run without a stop does", async () => {
    const c = config();
    const [records, rest]: HistoryRecord[][] = [[], []];
    const checkpoints: Checkpoint[] = [];
    await run(1, c, {
      recordEvery: 3,
      checkpointSeconds: 0,
      onRecord: (record) => records!.push(record),
      onCheckpoint: async (checkpoint) => void checkpoints.push(throughFile(checkpoint)),
    });
    await run(1, c, { recordEvery: 3, resume: checkpoints[6]!, onRecord: (record) => rest!.push(record) });
    expect(rest).toEqual(records!.filter(({ step }) => step > 7));
    // Every step, and once more after each evaluation.
    expect(checkpoints.map(({ position: { step, epoch, stepInEpoch } }) => [step, epoch, stepInEpoch])).toEqual(
      [0, 1].flatMap((epoch) => [
        ...Array.from({ length: 10 }, (_, i) => [10 * epoch + i + 1, epoch, i + 1]),
        [10 * (epoch + 1), epoch + 1, 0],
      ]),
    );
  });

  it("writes a checkpoint inside an epoch only after the time that was asked for, and one at each epoch's end", async () => {
    const steps: number[] = [];
    const options = { onCheckpoint: async ({ position }: Checkpoint) => void steps.push(position.step) };
    let now = 0;
    const clock = vi.spyOn(performance, "now").mockImplementation(() => now);
    onTestFinished(() => clock.mockRestore());
    const checkpointsAt = async (secondsOfStep: number, more: Partial<TrainLoopOptions> = {}): Promise<number[]> => {
      steps.length = 0;
      const onStep = () => {
        now += 1000 * secondsOfStep;
      };
      await run(1, config(), { ...options, onStep, ...more });
      return [...steps];
    };
    expect(await checkpointsAt(30.2)).toEqual([2, 4, 6, 8, 10, 10, 12, 14, 16, 18, 20, 20]);
    expect(await checkpointsAt(29.8)).toEqual([3, 6, 9, 10, 13, 16, 19, 20]);
    expect(await checkpointsAt(30.2, { checkpointSeconds: 1000 })).toEqual([10, 20]);
    expect(await checkpointsAt(1.5, { checkpointSeconds: 1.5 })).toEqual([2, 4, 6, 8, 10, 10, 12, 14, 16, 18, 20, 20]);
  });

  it("records every tenth step where nothing else is asked for", async () => {
    const steps: number[] = [];
    await run(1, config(), { onRecord: ({ kind, step }) => kind === "step" && steps.push(step) });
    expect(steps).toEqual([10, 20]);
  });

  /** A net that answers "0" to everything, and for each epoch the share of test pictures of which that is true. */
  async function accuracies(shares: readonly number[], options: Partial<TrainLoopOptions> = {}) {
    const c = config({ epochs: shares.length });
    const relabelled = (loader: Loader, label: (place: number, evaluation: number) => number): Loader => {
      let evaluation = 0;
      async function* epoch(number: number, fromStep?: number): AsyncGenerator<Batch> {
        const at = evaluation++;
        let place = 0;
        for await (const batch of loader.epoch(number, fromStep))
          yield { ...batch, labels: batch.labels.map(() => label(place++, at)) };
      }
      return { ...loader, epoch };
    };
    const ten = sets.test.select(Array.from({ length: 10 }, (_, i) => i));
    const events: string[] = [];
    const best: [number, number][] = [];
    const result = await trainLoop({
      ...{ backend: backends.get(1)!, model, config: c },
      trainLoader: relabelled(createInThreadLoader(sets.train, { ...batches, batchSize: 160, shuffle: true }), () => 0),
      validationLoader: relabelled(createInThreadLoader(ten, { ...batches, batchSize: 10 }), (place, at) =>
        place < 10 * shares[at]! ? 0 : 9,
      ),
      recordEvery: 1000,
      onRecord: (record) => events.push(record.kind),
      onBest: async (made, record) => {
        events.push("best");
        best.push([record.epoch, record.validation!.top1]);
        expect(made.state.size).toBe(model.state.size);
      },
      onCheckpoint: async () => void events.push("checkpoint"),
      ...options,
    });
    return { result, events, best };
  }

  it("takes the latest epoch that ten pictures cannot tell from the best", async () => {
    // One standard error of 0.8 is 0.126, of 0.5 0.158.
    const { result, best } = await accuracies([0.5, 0.2, 0.4, 0.3, 0.8, 0.6, 0.7, 0.6]);
    expect(best).toEqual([
      [1, 0.5],
      [3, 0.4],
      [5, 0.8],
      [7, 0.7],
    ]);
    expect(result.position.best).toEqual({ epoch: 7, top1: 0.7, highest: { epoch: 5, top1: 0.8 } });
  });

  it("is stricter the more pictures judge", () => {
    const first = taken(3, { top1: 0.9 }, null);
    expect(first).toEqual({ epoch: 3, top1: 0.9, highest: { epoch: 3, top1: 0.9 } });
    const at = (top1: number, pictures: number): boolean => isTaken({ top1 }, first, pictures);
    // √(0.9 · 0.1 / n): 0.03 of 100 pictures, 0.003 of 10,000.
    expect([at(0.871, 100), at(0.869, 100), at(0.898, 10_000), at(0.896, 10_000)]).toEqual([true, false, true, false]);
    // It is the highest that counts, not the last that was taken: nothing drifts down.
    const lower = taken(4, { top1: 0.88 }, first);
    expect(lower).toEqual({ epoch: 4, top1: 0.88, highest: { epoch: 3, top1: 0.9 } });
    expect([isTaken({ top1: 0.86 }, lower, 100), isTaken({ top1: 0.91 }, lower, 100)]).toEqual([false, true]);
    expect(taken(5, { top1: 0.9 }, lower).highest).toEqual({ epoch: 3, top1: 0.9 });
    expect(isTaken({ top1: 1 }, taken(1, { top1: 1 }, null), 10)).toBe(true);
  });

  it("takes the first epoch for the best so far, be it never right", async () => {
    const { best } = await accuracies([0]);
    expect(best).toEqual([[1, 0]]);
  });

  it("stops when it became no better for so many epochs, from any checkpoint at the same one", async () => {
    const shares = [0.1, 0.5, 0.2, 0.4, 0.3, 0.9, 0.2, 0.2];
    const checkpoints: Checkpoint[] = [];
    const onCheckpoint = async (checkpoint: Checkpoint): Promise<void> => {
      checkpoints.push(throughFile(checkpoint));
    };
    const patient = (patience: number, more = {}) => ({ config: config({ epochs: 8, patience }), ...more });
    const { result } = await accuracies(shares, patient(3, { onCheckpoint }));
    expect([result.position.epoch, result.position.best!.highest.epoch, result.stoppedEarly]).toEqual([5, 2, true]);
    for (const from of checkpoints) {
      const { epoch } = from.position;
      const { result: again } = await accuracies(shares.slice(epoch), patient(3, { resume: from }));
      expect([again.position, again.stoppedEarly], `from epoch ${epoch}`).toEqual([result.position, true]);
      expect(bits(again.model.state)).toEqual(bits(result.model.state));
    }
    // Counted from where the run was given another length.
    const longer = await accuracies(shares.slice(5), patient(3, { resume: checkpoints.at(-1)!, patientFrom: 5 }));
    expect([longer.result.position.epoch, longer.result.position.best!.epoch]).toEqual([8, 6]);
    expect(longer.result.stoppedEarly).toBe(false);
    expect((await accuracies(shares, patient(4))).result).toMatchObject({ stoppedEarly: false });
    expect((await accuracies(shares, patient(0))).result.position.epoch).toBe(8);
    await expect(accuracies(shares, patient(3, { validationLoader: undefined }))).rejects.toThrow(
      "expected validation pictures to stop early by (--patience), received none: take a part of the training pictures",
    );
  });

  it("judges and chooses nothing without validation pictures", async () => {
    const records: HistoryRecord[] = [];
    const { result, best } = await accuracies([0, 0], {
      validationLoader: undefined,
      onRecord: (r) => records.push(r),
    });
    expect(best).toEqual([]);
    expect(result.position.best).toBeNull();
    expect(records.map((record) => record.kind === "epoch" && record.validation)).toEqual([null, null]);
  });

  it("writes record and best net before the checkpoint that says that they are written", async () => {
    const { events } = await accuracies([0.5, 0.2, 0.6]);
    expect(events).toEqual([
      ...["epoch", "best", "checkpoint"],
      ...["epoch", "checkpoint"],
      ...["epoch", "best", "checkpoint"],
    ]);
  });

  it("the best net is the one that was evaluated: the average where that is on", async () => {
    const seen: string[] = [];
    const c = config({ epochs: 1, ema: 0.9 });
    const { model: last } = await run(1, c, {
      onBest: async (made) => void seen.push(JSON.stringify(bits(made.state))),
    });
    expect(seen).toEqual([JSON.stringify(bits(last.state))]);
  });

  it("a stop before the first step's end still takes that step; one that comes too late does not interrupt", async () => {
    const early = await run(1, config(), { signal: AbortSignal.abort() });
    expect([early.interrupted, early.position.step, early.position.best]).toEqual([true, 1, null]);
    const second = new AbortController();
    const later = await run(1, config(), {
      signal: second.signal,
      onStep: ({ step }) => step === 12 && second.abort(),
    });
    expect([later.interrupted, later.position.step, later.position.best?.epoch]).toEqual([true, 12, 1]);
    expect(bits(later.model.state)).not.toEqual(bits(early.model.state));
  });

  it("begins from the model's own weights, and from a checkpoint's where there is one", async () => {
    const c = config({ epochs: 1 });
    let last: Checkpoint | undefined;
    const whole = await run(1, c, {
      onCheckpoint: async (checkpoint) => {
        last = throughFile(checkpoint);
      },
    });
    const after = await run(1, c, { resume: last! });
    expect(bits(after.model.state)).toEqual(bits(whole.model.state));
    expect([after.stoppedEarly, after.position]).toEqual([false, whole.position]);
    expect(after.model.metadata).toEqual(model.metadata);
  });
});
