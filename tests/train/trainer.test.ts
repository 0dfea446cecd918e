import { afterAll, describe, expect, it } from "vitest";
import { createBackend } from "#repvgg/backend/select.node.js";
import { rngFor } from "#repvgg/core/rng.js";
import { drawMixing, softTargets } from "#repvgg/data/augmentation/mixing.js";
import type { Batch } from "#repvgg/data/dataset.js";
import type { Model } from "#repvgg/nn/model.js";
import { createNetwork, type Network } from "#repvgg/nn/network.js";
import { repvgg } from "#repvgg/nn/repvgg.js";
import { add } from "#repvgg/tensor/ops/add.js";
import { scale } from "#repvgg/tensor/ops/scale.js";
import { softmaxCrossEntropy } from "#repvgg/tensor/ops/softmax-cross-entropy.js";
import { Tape } from "#repvgg/tensor/tape.js";
import { type TrainConfig, trainConfig } from "#repvgg/train/config.js";
import { DivergenceError } from "#repvgg/train/divergence.js";
import { Trainer } from "#repvgg/train/trainer.js";

const backend = await createBackend({ threads: 2 });
afterAll(() => backend.dispose());

const classes = 5;
const size = 8;
const plainNet = repvgg(
  { depths: [1, 2], widths: [8, 8, 16], strides: [1, 1, 2] },
  { classes, inputSize: size, seed: 2, statistics: "seeded" },
);
const plusNet = repvgg("L2pse", { classes, inputSize: 32, seed: 1, depths: [1, 1, 2, 1], widths: [8, 8, 8, 16, 16] });

function batchOf(count: number, seed: number, side = size): Batch {
  const rng = rngFor(seed, "batch");
  const bytes = count * side * side * 3;
  return {
    ...{ size: count, height: side, width: side, channels: 3 },
    images: Uint8Array.from({ length: bytes }, () => rng.int(256)),
    labels: Int32Array.from({ length: count }, () => rng.int(classes)),
    indices: Int32Array.from({ length: count }, (_, i) => 100 + i),
  };
}

function partOf(batch: Batch, from: number, to: number): Batch {
  const bytes = batch.height * batch.width * batch.channels;
  return {
    ...batch,
    size: to - from,
    images: batch.images.slice(from * bytes, to * bytes),
    labels: batch.labels.slice(from, to),
    indices: batch.indices.slice(from, to),
  };
}

/** (x / 255 − mean) / std, mixed pixel by pixel as the papers define it. */
function mixedInput(model: Model, part: Batch, mixing: ReturnType<typeof drawMixing>): Float32Array {
  const { mean, std } = model.metadata.preprocessing;
  const { height, width } = part;
  const pixels = height * width;
  const value = (picture: number, pixel: number, c: number): number =>
    (part.images[(picture * pixels + pixel) * 3 + c]! / 255 - mean[c]!) / std[c]!;
  return Float32Array.from({ length: part.size * pixels * 3 }, (_, at) => {
    const [picture, pixel, c] = [Math.floor(at / 3 / pixels), Math.floor(at / 3) % pixels, at % 3];
    const own = value(picture, pixel, c);
    if (!mixing) return own;
    const partner = value(mixing.partner[picture]!, pixel, c);
    if (mixing.kind === "mixup") return mixing.lambda * own + (1 - mixing.lambda) * partner;
    const { top, left, height: h, width: w } = mixing.region!;
    const [y, x] = [Math.floor(pixel / width), pixel % width];
    return y >= top && y < top + h && x >= left && x < left + w ? partner : own;
  });
}

/** What a trainer does in one step with SGD, as the recipe says it: whole gradients first, then each weight by itself. */
class NaiveTrainer {
  readonly network: Network;
  readonly #model: Model;
  readonly #config: TrainConfig;
  readonly #velocity = new Map<string, Float64Array>();

  constructor(model: Model, config: TrainConfig) {
    this.network = createNetwork(backend, model);
    [this.#model, this.#config] = [model, config];
  }

  step(batch: Batch, rate: number, epoch: number, step: number): number {
    const { accumulate, seed, labelSmoothing, auxiliaryWeight, weightDecay, momentum, nesterov, customL2 } =
      this.#config;
    const length = Math.ceil(batch.size / accumulate);
    const gradients = new Map<string, Float64Array>();
    let total = 0;
    for (let from = 0, index = 0; from < batch.size; from += length, index++) {
      const part = partOf(batch, from, Math.min(batch.size, from + length));
      const mixing = drawMixing(this.#config, seed, epoch, step * accumulate + index, part);
      const tape = new Tape(backend);
      const x = tape.constant([part.size, part.height, part.width, 3], mixedInput(this.#model, part, mixing));
      const targets = softTargets(part.labels, classes, labelSmoothing, mixing);
      const { logits, auxiliary } = this.network.forward(tape, x, { training: true });
      const entropy = (scores: typeof logits) =>
        softmaxCrossEntropy(tape, scores, tape.constant([part.size, classes], targets));
      let loss = entropy(logits);
      for (const head of auxiliary) loss = add(tape, loss, scale(tape, entropy(head), auxiliaryWeight));
      if (customL2) loss = add(tape, loss, scale(tape, this.network.customL2(tape), weightDecay / 2));
      for (const { tensor } of this.network.parameters()) tensor.clearGradient();
      total += (loss.toArray()[0]! * part.size) / batch.size;
      tape.backward(loss);
      for (const { name, tensor } of this.network.parameters()) {
        const sum = gradients.get(name) ?? new Float64Array(tensor.size);
        tensor.gradientToArray()!.forEach((g, i) => {
          sum[i]! += (g * part.size) / batch.size;
        });
        gradients.set(name, sum);
      }
      tape.dispose();
    }
    for (const { name, tensor, decay } of this.network.parameters()) {
      const velocity = this.#velocity.get(name) ?? new Float64Array(tensor.size);
      this.#velocity.set(name, velocity);
      const branch = /rbr_(dense|1x1)/.test(name);
      const values = Float64Array.from(tensor.toArray(), (value, i) => {
        const g = gradients.get(name)![i]! + (decay && !(customL2 && branch) ? weightDecay * value : 0);
        velocity[i] = momentum * velocity[i]! + g;
        return value - rate * (nesterov ? g + momentum * velocity[i]! : velocity[i]!);
      });
      tensor.set(values);
    }
    return total;
  }
}

function worstDifference(a: Model["state"], b: Model["state"]): number {
  expect([...a.keys()]).toEqual([...b.keys()]);
  let worst = 0;
  for (const [name, { data }] of a) {
    const other = b.get(name)!.data;
    for (let i = 0; i < data.length; i++) worst = Math.max(worst, Math.abs(Number(data[i]) - Number(other[i])));
  }
  return worst;
}

const config = (overrides: Partial<TrainConfig>): TrainConfig =>
  trainConfig({ augmentation: {}, batchSize: 12, seed: 9, ...overrides });

const recipes: [string, Model, Partial<TrainConfig>, number][] = [
  ["a plain recipe", plainNet, { weightDecay: 0.1 }, 12],
  ["without momentum", plainNet, { momentum: 0, nesterov: false }, 12],
  ["label smoothing and mixup", plainNet, { labelSmoothing: 0.2, mixup: 0.4 }, 12],
  ["CutMix", plainNet, { cutmix: 1 }, 12],
  ["accumulated parts, each mixed in its own way", plainNet, { accumulate: 3, mixup: 1, cutmix: 1 }, 12],
  ["parts of a batch that does not divide", plainNet, { accumulate: 3, labelSmoothing: 0.1 }, 10],
  ["fewer parts than asked for", plainNet, { accumulate: 4 }, 5],
  ["custom L2 in place of the branches' decay", plainNet, { customL2: true, weightDecay: 0.2, accumulate: 2 }, 12],
  ["auxiliary heads", plusNet, { auxiliaryWeight: 0.7 }, 4],
];

describe("Trainer", () => {
  it.each(recipes)("steps as the recipe says: %s", (_, model, overrides, count) => {
    const c = config(overrides);
    const trainer = new Trainer(backend, model, c);
    const naive = new NaiveTrainer(model, c);
    const [side] = model.metadata.preprocessing.size;
    for (let step = 0; step < 3; step++) {
      const batch = batchOf(count, step, side);
      const [rate, epoch] = [0.02 / (step + 1), Math.floor(step / 2)];
      const loss = naive.step(batch, rate, epoch, step);
      expect(Math.abs(trainer.step(batch, rate, epoch, step) - loss)).toBeLessThan(1e-4 * loss);
      expect(worstDifference(trainer.model().state, naive.network.state())).toBeLessThan(2e-4);
      if (step === 0) expect(worstDifference(trainer.model().state, model.state)).toBeGreaterThan(1e-3);
    }
    trainer.dispose();
    naive.network.dispose();
  });

  it("AdamW is told the step, for its bias correction, and its β₁", () => {
    const c = config({ optimizer: "adamw", momentum: 0.6, weightDecay: 0 });
    const trainer = new Trainer(backend, plainNet, c);
    const weights = () => trainer.model().state.get("linear.weight")!.data as Float32Array;
    const before = weights();
    trainer.step(batchOf(12, 1), 0.01, 0, 0);
    // The first step of Adam is lr · sign(g), whatever β₁ and β₂.
    const moved = weights().map((value, i) => Math.abs(value - before[i]!));
    expect(Math.max(...moved)).toBeLessThan(0.0101);
    expect(moved.filter((by) => by > 0.0099).length).toBeGreaterThan(moved.length * 0.9);
    const { data } = trainer.state().optimizer.get("mean.linear.weight")!;
    const square = trainer.state().optimizer.get("square.linear.weight")!.data;
    data.forEach((mean, i) => {
      expect(Number(square[i])).toBeCloseTo(0.001 * (Number(mean) / 0.4) ** 2, 9);
    });
    trainer.dispose();
  });

  it("averages weights and BatchNorm statistics, evaluates the average, and trains on without it", async () => {
    const c = config({ ema: 0.5 });
    const averaged = new Trainer(backend, plainNet, c);
    const alone = new Trainer(backend, plainNet, config({}));
    const expected = new Map([...plainNet.state].map(([name, { data }]) => [name, Float64Array.from(data, Number)]));
    for (let step = 0; step < 4; step++) {
      const batch = batchOf(12, step);
      expect(averaged.step(batch, 0.02, 0, step)).toBe(alone.step(batch, 0.02, 0, step));
      const decay = Math.min(0.5, (1 + step) / (10 + step));
      for (const [name, { data }] of alone.model().state) {
        expected.set(
          name,
          expected.get(name)!.map((value, i) => decay * value + (1 - decay) * Number(data[i])),
        );
      }
    }
    for (const [name, { data, dtype }] of averaged.model().state) {
      if (dtype === "i64") expect(data).toEqual(BigInt64Array.of(4n));
      else
        data.forEach((value, i) => {
          if (Math.abs(Number(value) - expected.get(name)![i]!) > 1e-5) expect.fail(`${name}[${i}]`);
        });
    }
    // The same logits and metrics as a net that is loaded with the average.
    const loaded = new Trainer(backend, averaged.model(), config({}));
    const test = batchOf(9, 77);
    expect(averaged.logits(test)).toEqual(loaded.logits(test));
    expect(averaged.logits(test)).not.toEqual(alone.logits(test));
    const [metrics, wanted] = [
      await averaged.evaluate([test, batchOf(3, 78)]),
      await loaded.evaluate([test, batchOf(3, 78)]),
    ];
    expect(metrics).toEqual(wanted);
    expect(metrics.count).toBe(12);
    expect((await alone.evaluate([test])).loss).not.toBe((await averaged.evaluate([test])).loss);
    // Looking at the average has changed nothing.
    expect(averaged.state().model).toEqual(alone.state().model);
    expect(averaged.state().average.size).toBe([...plainNet.state].filter(([, { dtype }]) => dtype === "f32").length);
    expect(alone.state().average.size).toBe(0);
    for (const trainer of [averaged, alone, loaded]) trainer.dispose();
  });

  it("evaluates pictures one by one: accuracy, loss, and which one was mistaken", async () => {
    const trainer = new Trainer(backend, plainNet, config({}));
    const batch = batchOf(20, 5);
    const logits = trainer.logits(batch);
    expect(logits.length).toBe(20 * classes);
    let [loss, right] = [0, 0];
    const wrong: number[] = [];
    for (let i = 0; i < 20; i++) {
      const row = [...logits.subarray(i * classes, (i + 1) * classes)];
      loss += Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - row[batch.labels[i]!]!;
      if (row.indexOf(Math.max(...row)) === batch.labels[i]) right++;
      else wrong.push(100 + i);
    }
    const metrics = await trainer.evaluate([batch]);
    expect(metrics.top1).toBeCloseTo(right / 20, 12);
    expect(metrics.loss).toBeCloseTo(loss / 20, 5);
    expect(metrics.mistakes.map(({ index }) => index).sort()).toEqual(wrong.sort());
    trainer.dispose();
  });

  it("stops before it spoils the weights, and names step and epoch as people count them", () => {
    const trainer = new Trainer(backend, plainNet, config({ ema: 0.9 }));
    trainer.step(batchOf(12, 0), 0.01, 0, 0);
    const state = new Map(trainer.state().model);
    state.set("linear.bias", { dtype: "f32", shape: [classes], data: new Float32Array(classes).fill(3e38) });
    state.set("linear.weight", { dtype: "f32", shape: [classes, 16], data: new Float32Array(classes * 16).fill(3e38) });
    const before = trainer.state();
    trainer.loadState({ ...before, model: state });
    const spoilt = trainer.state();
    expect(() => trainer.step(batchOf(12, 1), 0.01, 4, 6)).toThrow(DivergenceError);
    expect(() => trainer.step(batchOf(12, 1), 0.01, 4, 6)).toThrow(/at step 7 of the run, in epoch 5/);
    expect(trainer.state().optimizer).toEqual(spoilt.optimizer);
    expect(trainer.state().average).toEqual(spoilt.average);
    for (const [name, { data }] of spoilt.model) {
      if (!/running|tracked/.test(name)) expect(trainer.state().model.get(name)!.data).toEqual(data);
    }
    // Weights that are not finite are no state to keep.
    state.set("linear.bias", { dtype: "f32", shape: [classes], data: new Float32Array(classes).fill(Number.NaN) });
    trainer.loadState({ ...before, model: state });
    expect(() => trainer.state()).toThrow(/received linear\.bias that is not/);
    trainer.dispose();
  });

  it("gives its net with the data's own metadata and what is added to its provenance", () => {
    const trainer = new Trainer(backend, plainNet, config({}));
    const made = trainer.model({ epochs: "3" });
    expect(made.metadata.provenance).toEqual({ ...plainNet.metadata.provenance, epochs: "3" });
    expect(made.metadata.classNames).toEqual(plainNet.metadata.classNames);
    expect(made.state).toEqual(plainNet.state);
    trainer.dispose();
  });

  it("leaves no kernel memory behind", () => {
    const before = backend.memory.usedWords;
    const trainer = new Trainer(backend, plainNet, config({ ema: 0.9, accumulate: 2 }));
    trainer.step(batchOf(12, 0), 0.01, 0, 0);
    const between = backend.memory.usedWords;
    trainer.step(batchOf(12, 1), 0.01, 0, 1);
    expect(backend.memory.usedWords).toBe(between);
    trainer.dispose();
    expect(backend.memory.usedWords).toBe(before);
  });
});
