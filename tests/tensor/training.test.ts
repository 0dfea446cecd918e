import { describe, expect, it } from "vitest";
import type { Backend } from "#repvgg/backend/backend.js";
import { rngFor } from "#repvgg/core/rng.js";
import {
  add,
  type BatchNormState,
  batchNormScale,
  branchSum,
  conv2d,
  cropKernel,
  globalAveragePool,
  linear,
  multiplyChannel,
  NamedTensor,
  Parameter,
  padKernel,
  relu,
  scale,
  scaleOutputChannels,
  sigmoid,
  softmaxCrossEntropy,
  sumSquares,
  Tape,
  type Tensor,
} from "#repvgg/tensor/index.js";
import { backendOf } from "./backends.js";
import { describeOperation, expectClose } from "./gradient-check.js";

const classes = 4;
const size = 12;
const steps = 90;

/** A stem with stride 2, a grouped block with identity, squeeze and excitation, and a classifier, wired by hand. */
class Net {
  readonly parameters: Parameter[] = [];
  readonly statistics: NamedTensor[] = [];
  readonly #backend: Backend;
  readonly #blocks: ReturnType<Net["block"]>[];
  readonly #squeeze: [Parameter, Parameter];
  readonly #classifier: [Parameter, Parameter];

  constructor(backend: Backend) {
    this.#backend = backend;
    this.#blocks = [this.block("stem", 1, 16, 2, 1), this.block("body", 16, 16, 1, 2)];
    this.#squeeze = [this.parameter("down", [16, 4]), this.parameter("up", [4, 16])];
    this.#classifier = [this.parameter("weight", [16, classes]), this.parameter("bias", [classes], () => 0)];
  }

  parameter(name: string, shape: number[], value?: (index: number) => number): Parameter {
    const rng = rngFor(7, name);
    const fanIn = shape.slice(0, -1).reduce((product, extent) => product * extent, 1);
    const values = Array.from({ length: shape.reduce((product, extent) => product * extent, 1) }, (_, index) =>
      value ? value(index) : rng.normal() * Math.sqrt(2 / fanIn),
    );
    const parameter = new Parameter(this.#backend, name, shape, values);
    this.parameters.push(parameter);
    return parameter;
  }

  norm(name: string, channels: number): BatchNormState {
    const runningMean = new NamedTensor(this.#backend, `${name}.running_mean`, [channels]);
    const runningVariance = new NamedTensor(this.#backend, `${name}.running_var`, [channels], Array(channels).fill(1));
    this.statistics.push(runningMean, runningVariance);
    const gamma = this.parameter(`${name}.weight`, [channels], () => 1);
    const beta = this.parameter(`${name}.bias`, [channels], () => 0);
    const observed = { batches: 0, samples: 0 };
    return { gamma, beta, runningMean, runningVariance, momentum: 0.1, eps: 1e-5, observed };
  }

  block(name: string, inputs: number, outputs: number, stride: number, groups: number) {
    return {
      ...{ stride, groups },
      k3: this.parameter(`${name}.k3`, [3, 3, inputs / groups, outputs]),
      k1: this.parameter(`${name}.k1`, [1, 1, inputs / groups, outputs]),
      ...{ norm3: this.norm(`${name}.norm3`, outputs), norm1: this.norm(`${name}.norm1`, outputs) },
      norm0: inputs === outputs && stride === 1 ? this.norm(`${name}.norm0`, outputs) : undefined,
    };
  }

  logits(tape: Tape, images: Tensor, training: boolean): Tensor {
    let x = images;
    for (const { stride, groups, k3, k1, norm3, norm1, norm0 } of this.#blocks) {
      const y = tape.scope(() =>
        branchSum(
          tape,
          [
            { x: conv2d(tape, x, k3, { stride, padding: 1, groups }), norm: norm3 },
            { x: conv2d(tape, x, k1, { stride, groups }), norm: norm1 },
            ...(norm0 ? [{ x, norm: norm0 }] : []),
          ],
          { relu: true, training },
        ),
      );
      tape.release(x);
      x = y;
    }
    const squeezed = relu(tape, linear(tape, globalAveragePool(tape, x), this.#squeeze[0]));
    const excited = multiplyChannel(tape, x, sigmoid(tape, linear(tape, squeezed, this.#squeeze[1])));
    return linear(tape, globalAveragePool(tape, excited), ...this.#classifier);
  }

  step(learningRate: number): void {
    for (const parameter of this.parameters) {
      const { pointer, gradient, size } = parameter;
      this.#backend.run([{ kernel: "axpy", args: { x: gradient, y: pointer, n: size, alpha: -learningRate } }]);
      parameter.clearGradient();
    }
  }

  dispose(): void {
    for (const tensor of [...this.parameters, ...this.statistics]) tensor.dispose();
  }
}

/** Bars: horizontal, vertical, rising or falling, at random places, thick and bright as chance has it, in noise. */
function bars(count: number, seed: number): { images: Float32Array; labels: number[] } {
  const images = new Float32Array(count * size * size);
  const labels = Array.from({ length: count }, (_, picture) => {
    const rng = rngFor(seed, picture);
    const [label, place, width, brightness] = [
      rng.int(classes),
      rng.uniform(3, 9),
      rng.uniform(0.8, 2),
      rng.uniform(0.6, 1),
    ];
    for (let row = 0; row < size; row++)
      for (let column = 0; column < size; column++) {
        const along = [row, column, (row + column) / 2, (row - column + size) / 2][label]!;
        const lit = Math.abs(along - place) < width ? brightness : 0;
        images[(picture * size + row) * size + column] = lit + 0.3 * rng.normal();
      }
    return label;
  });
  return { images, labels };
}

function smoothedTargets(labels: number[]): number[] {
  return labels.flatMap((label) => Array.from({ length: classes }, (_, k) => (k === label ? 0.955 : 0.015)));
}

interface Trained {
  losses: number[];
  usedWords: number[];
  peakWords: number[];
  accuracy: number;
  weights: Float32Array[];
}

function train(backend: Backend, steps: number): Trained {
  const before = backend.memory.usedWords;
  const net = new Net(backend);
  const tape = new Tape(backend);
  const [losses, usedWords, peakWords]: number[][] = [[], [], []];
  for (let step = 0; step < steps; step++) {
    const { images, labels } = bars(32, step);
    try {
      const logits = net.logits(tape, tape.constant([32, size, size, 1], images), true);
      const targets = tape.constant([32, classes], smoothedTargets(labels));
      const loss = softmaxCrossEntropy(tape, logits, targets);
      losses!.push(loss.toArray()[0]!);
      tape.backward(loss);
    } finally {
      tape.reset();
    }
    net.step(0.6);
    usedWords!.push(backend.memory.usedWords);
    peakWords!.push(backend.memory.peakWords);
  }
  const test = bars(200, 1000);
  const logits = tape.noGradient(() =>
    net.logits(tape, tape.constant([200, size, size, 1], test.images), false).toArray(),
  );
  const correct = test.labels.filter((label, picture) => {
    const row = logits.subarray(picture * classes, (picture + 1) * classes);
    return row.every((value, k) => k === label || value < row[label]!);
  }).length;
  const weights = [...net.parameters, ...net.statistics].map((tensor) => tensor.toArray());
  tape.dispose();
  net.dispose();
  expect(backend.memory.usedWords).toBe(before);
  return { losses: losses!, usedWords: usedWords!, peakWords: peakWords!, accuracy: correct / 200, weights };
}

describe("a small RepVGG with squeeze and excitation", () => {
  const trained = train(backendOf(1), steps);

  it("learns: the loss falls, and pictures that it has never seen are told apart by running statistics", () => {
    const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(mean(trained.losses.slice(0, 3))).toBeGreaterThan(1);
    expect(mean(trained.losses.slice(-10))).toBeLessThan(0.4);
    expect(trained.accuracy).toBeGreaterThan(0.95);
  });

  it("allocates nothing new after the first step", () => {
    expect(new Set(trained.usedWords.slice(1))).toEqual(new Set([trained.usedWords[0]]));
    expect(new Set(trained.peakWords.slice(1))).toEqual(new Set([trained.peakWords[1]]));
  });

  it("ends with the same bits on 2 threads", () => {
    const other = train(backendOf(2), steps);
    expect(other.losses).toEqual(trained.losses);
    expect(other.weights).toEqual(trained.weights);
  });
});

describeOperation({
  name: "a block with squeeze and excitation before its ReLU, differences of itself",
  inputs: {
    ...{
      x: { shape: [2, 6, 6, 8] },
      k3: { shape: [3, 3, 4, 8] },
      k1: { shape: [1, 1, 4, 8] },
      down: { shape: [8, 4] },
    },
    ...{ up: { shape: [4, 8] }, gamma: { shape: [8] }, beta: { shape: [8] } },
  },
  operation: (tape, { x, k3, k1, down, up, gamma, beta }) => {
    const zeros = tape.constant([8], new Float32Array(8));
    const observed = { batches: 0, samples: 0 };
    const statistics = { runningMean: zeros, runningVariance: zeros, momentum: 0, eps: 1e-5, observed };
    const norm: BatchNormState = { gamma: gamma!, beta: beta!, ...statistics };
    const branches = [
      { x: conv2d(tape, x!, k3!, { padding: 1, groups: 2 }), norm },
      { x: conv2d(tape, x!, k1!, { groups: 2 }), norm },
      { x: x!, norm },
    ];
    const summed = branchSum(tape, branches, { training: true });
    const squeezed = sigmoid(tape, linear(tape, globalAveragePool(tape, summed), down!));
    return multiplyChannel(tape, summed, sigmoid(tape, linear(tape, squeezed, up!)));
  },
});

// The authors' get_custom_L2: the L2 norm of the equivalent kernel's centre, normalised, and of the rest of the 3×3.
const [inputs, outputs, eps] = [3, 5, 1e-5];
const variance = { three: [0.5, 1, 1.5, 2, 0.7], one: [1, 0.4, 0.8, 3, 1.1] };

function scaleState(tape: Tape, gamma: Tensor, values: number[]): BatchNormState {
  const zeros = tape.constant([outputs], new Float32Array(outputs));
  const runningVariance = tape.constant([outputs], values);
  const observed = { batches: 0, samples: 0 };
  return { gamma, beta: zeros, runningMean: zeros, runningVariance, momentum: 0.1, eps, observed };
}

describeOperation({
  name: "the custom L2 of the authors' code, with gradients to γ as well",
  inputs: {
    ...{ k3: { shape: [3, 3, inputs, outputs] }, k1: { shape: [1, 1, inputs, outputs] } },
    ...{ gamma3: { shape: [outputs] }, gamma1: { shape: [outputs] } },
  },
  operation: (tape, { k3, k1, gamma3, gamma1 }) => {
    const t3 = batchNormScale(tape, scaleState(tape, gamma3!, variance.three));
    const t1 = batchNormScale(tape, scaleState(tape, gamma1!, variance.one));
    const centre = cropKernel(tape, k3!, 1, 1);
    const circle = add(tape, sumSquares(tape, k3!), scale(tape, sumSquares(tape, centre), -1));
    const equivalent = add(tape, scaleOutputChannels(tape, centre, t3), scaleOutputChannels(tape, k1!, t1));
    return add(tape, circle, sumSquares(tape, equivalent));
  },
  reference: ({ k3, k1, gamma3, gamma1 }) => {
    let total = 0;
    for (let at = 0; at < k3!.length; at++) {
      const [o, tap] = [at % outputs, Math.floor(at / (inputs * outputs))];
      if (tap !== 4) total += k3![at]! ** 2;
      else {
        const [t3, t1] = [
          gamma3![o]! / Math.sqrt(Math.fround(variance.three[o]!) + eps),
          gamma1![o]! / Math.sqrt(Math.fround(variance.one[o]!) + eps),
        ];
        total += (k3![at]! * t3 + k1![at % (inputs * outputs)]! * t1) ** 2;
      }
    }
    return Float64Array.of(total);
  },
});

describe("the equivalent kernel of a block", () => {
  it("convolves as its branches do together", () => {
    const backend = backendOf(1);
    const tape = new Tape(backend);
    const rng = rngFor(5);
    const random = (shape: number[]): Tensor =>
      tape.constant(
        shape,
        Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.normal()),
      );
    const [x, k3, k1] = [random([2, 6, 6, inputs]), random([3, 3, inputs, outputs]), random([1, 1, inputs, outputs])];
    const [norm3, norm1] = [
      scaleState(tape, random([outputs]), variance.three),
      scaleState(tape, random([outputs]), variance.one),
    ];
    const branches = branchSum(
      tape,
      [
        { x: conv2d(tape, x, k3, { padding: 1 }), norm: norm3 },
        { x: conv2d(tape, x, k1), norm: norm1 },
      ],
      { training: false },
    );
    const kernel = add(
      tape,
      scaleOutputChannels(tape, k3, batchNormScale(tape, norm3)),
      padKernel(tape, scaleOutputChannels(tape, k1, batchNormScale(tape, norm1)), 3, 3),
    );
    expectClose(conv2d(tape, x, kernel, { padding: 1 }).toArray(), branches.toArray(), 1e-5);
    tape.dispose();
  });
});
