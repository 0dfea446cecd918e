import { afterAll, describe, expect, it } from "vitest";
import { createBackend } from "#repvgg/backend/select.node.js";
import { UserError } from "#repvgg/core/errors.js";
import { f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { rngFor } from "#repvgg/core/rng.js";
import { Parameter } from "#repvgg/tensor/tensor.js";
import { Optimizer, type OptimizerOptions } from "#repvgg/train/optimizer.js";
import { WeightAverage } from "#repvgg/train/weight-average.js";

const backends = {
  "native or wasm": await createBackend({ threads: 2 }),
  wasm: await createBackend({ threads: 1, kernels: "wasm" }),
};
afterAll(() => {
  for (const backend of Object.values(backends)) backend.dispose();
});

/** One weight under PyTorch's `SGD` or `AdamW`, as their documentation writes them, in float64. */
class NaiveWeight {
  value: number;
  velocity = 0;
  mean = 0;
  square = 0;
  constructor(value: number) {
    this.value = value;
  }

  sgd(gradient: number, { lr, momentum, nesterov, decay }: Record<"lr" | "momentum" | "nesterov" | "decay", number>) {
    const g = gradient + decay * this.value;
    this.velocity = momentum * this.velocity + g;
    this.value -= lr * (nesterov ? g + momentum * this.velocity : this.velocity);
  }

  adamw(gradient: number, { lr, momentum, decay, t }: Record<"lr" | "momentum" | "decay" | "t", number>) {
    this.value -= lr * decay * this.value;
    this.mean = momentum * this.mean + (1 - momentum) * gradient;
    this.square = 0.999 * this.square + 0.001 * gradient ** 2;
    const [mean, square] = [this.mean / (1 - momentum ** t), this.square / (1 - 0.999 ** t)];
    this.value -= (lr * mean) / (Math.sqrt(square) + 1e-8);
  }
}

const kinds: Record<string, OptimizerOptions> = {
  "SGD with Nesterov momentum": { kind: "sgd", momentum: 0.9, nesterov: true, weightDecay: 0.05 },
  "SGD with momentum": { kind: "sgd", momentum: 0.8, nesterov: false, weightDecay: 0.02 },
  "SGD without momentum": { kind: "sgd", momentum: 0, nesterov: false, weightDecay: 0 },
  AdamW: { kind: "adamw", momentum: 0.9, nesterov: true, weightDecay: 0.3 },
  "AdamW with another β₁": { kind: "adamw", momentum: 0.5, nesterov: false, weightDecay: 0 },
};
const words = [1, 37, 5000]; // shorter than a vector, with a rest, several tasks

describe.each(Object.keys(backends) as (keyof typeof backends)[])("on %s", (place) => {
  const backend = backends[place];
  const parameters = words.map((count, i) => {
    const rng = rngFor(1, i);
    return new Parameter(
      backend,
      `p${i}`,
      [count],
      Array.from({ length: count }, () => rng.normal()),
    );
  });
  afterAll(() => {
    for (const parameter of parameters) parameter.dispose();
  });

  it.each(Object.entries(kinds))("%s follows its definition, step by step", (_, options) => {
    // The second decays not; the last one has no gradient at first.
    const optimizer = new Optimizer(
      backend,
      parameters.map((p, i) => ({
        name: p.name,
        words: p.size,
        pointer: p.pointer,
        gradient: () => p.gradient,
        decay: i !== 1,
      })),
      options,
    );
    const start = parameters.map((p) => p.toArray());
    const naive = start.map((values) => [...values].map((value) => new NaiveWeight(value)));
    for (let step = 0; step < 5; step++) {
      const [lr, scale] = [0.01 * (step + 1), [1, 0.25][step % 2]!];
      for (const [i, p] of parameters.entries()) {
        p.clearGradient();
        if (i === 2 && step < 2) continue;
        const rng = rngFor(2, step, i);
        const gradients = Float32Array.from({ length: p.size }, () => rng.normal());
        p.addToGradient(gradients);
        naive[i]!.forEach((weight, j) => {
          const settings = { lr, momentum: options.momentum, decay: i === 1 ? 0 : options.weightDecay };
          const gradient = gradients[j]! * scale;
          if (options.kind === "sgd") weight.sgd(gradient, { ...settings, nesterov: options.nesterov ? 1 : 0 });
          else weight.adamw(gradient, { ...settings, t: step + 1 });
        });
      }
      optimizer.step(lr, step, scale);
      for (const [i, p] of parameters.entries()) {
        const worst = p
          .toArray()
          .reduce((most, value, j) => Math.max(most, Math.abs(value - naive[i]![j]!.value) / (1 + Math.abs(value))), 0);
        expect(worst, `${p.name} after step ${step}`).toBeLessThan(2e-6);
      }
    }
    const slots = options.kind === "sgd" ? ["velocity"] : ["mean", "square"];
    const state = optimizer.state();
    expect([...state.keys()].sort()).toEqual(
      parameters.flatMap((p) => slots.map((slot) => `${slot}.${p.name}`)).sort(),
    );
    for (const [i, p] of parameters.entries()) {
      for (const slot of slots as ("velocity" | "mean" | "square")[]) {
        const { data, shape } = state.get(`${slot}.${p.name}`)!;
        expect(shape).toEqual([p.size]);
        naive[i]!.forEach((weight, j) => {
          expect(Math.abs(Number(data[j]) - weight[slot])).toBeLessThan(1e-5 * (1 + Math.abs(weight[slot])));
        });
      }
      p.set(start[i]!);
      p.clearGradient();
    }
    optimizer.dispose();
  });

  it("the gradient counts whole where no scale is given", () => {
    const [p] = parameters as [Parameter];
    const before = p.toArray()[0]!;
    const all = [{ name: p.name, words: 1, pointer: p.pointer, gradient: () => p.gradient, decay: false }];
    const optimizer = new Optimizer(backend, all, kinds["SGD without momentum"]!);
    p.addToGradient([2]);
    optimizer.step(0.125, 0);
    expect(p.toArray()[0]!).toBeCloseTo(before - 0.25, 6);
    optimizer.dispose();
    p.set([before]);
    p.clearGradient();
  });

  it("goes on from its state; another's state is refused by name", () => {
    const all = parameters.map((p) => ({
      name: p.name,
      words: p.size,
      pointer: p.pointer,
      gradient: () => p.gradient,
      decay: true,
    }));
    const [one, other] = [0, 1].map(() => new Optimizer(backend, all, kinds["AdamW"]!)) as [Optimizer, Optimizer];
    const start = parameters.map((p) => p.toArray());
    const push = (optimizer: Optimizer, step: number): void => {
      for (const [i, p] of parameters.entries()) {
        p.clearGradient();
        p.addToGradient(Float32Array.from({ length: p.size }, (_, j) => Math.sin(step + i + j)));
      }
      optimizer.step(0.01, step);
    };
    push(one, 0);
    const between = parameters.map((p) => p.toArray());
    const saved = one.state();
    push(one, 1);
    const end = parameters.map((p) => p.toArray());
    expect([...saved.get("mean.p0")!.data]).not.toEqual([...one.state().get("mean.p0")!.data]); // a copy, not the memory
    parameters.forEach((p, i) => {
      p.set(between[i]!);
    });
    other.loadState(saved);
    push(other, 1);
    expect(parameters.map((p) => p.toArray())).toEqual(end);

    const sgd = new Optimizer(backend, all, kinds["SGD with momentum"]!);
    expect(() => sgd.loadState(saved)).toThrow(UserError);
    expect(() => sgd.loadState(saved)).toThrow(/"velocity\.p0" of 1 elements, received none: resume with the options/);
    const short = new Map<string, NamedArray>([...saved, ["square.p1", f32([36], new Float32Array(36))]]);
    expect(() => other.loadState(short)).toThrow(/"square\.p1" of 37 elements, received 36 elements/);
    const before = backend.memory.usedWords;
    for (const optimizer of [one, other, sgd]) optimizer.dispose();
    expect(backend.memory.usedWords).toBeLessThan(before - 4 * 5000);
    parameters.forEach((p, i) => {
      p.set(start[i]!);
      p.clearGradient();
    });
  });

  it("the moving average forgets its start early, then decays as told", () => {
    const tensors = parameters.map((p) => ({ name: p.name, words: p.size, pointer: p.pointer }));
    const start = parameters.map((p) => p.toArray());
    const average = new WeightAverage(backend, tensors, 0.3);
    const naive = start.map((values) => Float64Array.from(values));
    for (let updates = 0; updates < 6; updates++) {
      const decay = Math.min(0.3, (1 + updates) / (10 + updates));
      parameters.forEach((p, i) => {
        p.set(start[i]!.map((value, j) => value + Math.cos(updates + j)));
        naive[i] = naive[i]!.map((value, j) => decay * value + (1 - decay) * p.toArray()[j]!);
      });
      average.update(updates);
      parameters.forEach((p, i) => {
        const { shape, data } = average.state().get(p.name)!;
        expect(shape).toEqual([p.size]);
        naive[i]!.forEach((value, j) => {
          if (Math.abs(Number(data[j]) - value) > 1e-5) expect.fail(`${p.name}[${j}] after ${updates} updates`);
        });
      });
    }
    const values = parameters.map((p) => p.toArray());
    const averaged = average.state();
    average.swap();
    parameters.forEach((p) => {
      expect(p.toArray()).toEqual(averaged.get(p.name)!.data);
    });
    average.swap();
    expect(parameters.map((p) => p.toArray())).toEqual(values);

    const other = new WeightAverage(backend, tensors, 0.3);
    other.loadState(averaged);
    expect(other.state()).toEqual(averaged);
    expect(() => other.loadState(new Map())).toThrow(/the average of "p0", 1 elements, received none: resume with/);
    const short = new Map<string, NamedArray>([...averaged, ["p1", f32([2], Float32Array.of(1, 2))]]);
    expect(() => other.loadState(short)).toThrow(/the average of "p1", 37 elements, received 2/);
    const before = backend.memory.usedWords;
    for (const one of [average, other]) one.dispose();
    expect(backend.memory.usedWords).toBeLessThan(before - 2 * 5000);
    parameters.forEach((p, i) => {
      p.set(start[i]!);
    });
  });
});
