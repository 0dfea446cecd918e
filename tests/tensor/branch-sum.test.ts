import { describe, expect, it } from "vitest";
import type { Rng } from "#repvgg/core/rng.js";
import { type BatchNormState, batchNorm, batchNormScale, branchSum, Tape, type Tensor } from "#repvgg/tensor/index.js";
import { backendOf } from "./backends.js";
import { describeOperation, expectClose } from "./gradient-check.js";
import * as naive from "./naive.js";

const eps = 1e-5;
const channels = 6;
const shape = [3, 4, 5, channels];
const runningMean = [0.3, -0.2, 0.1, 0.5, -0.7, 0];
const runningVariance = [0.5, 1.5, 1, 2, 0.25, 3];
const positive = (rng: Rng): number => rng.uniform(0.5, 1.5);
const shifted = (rng: Rng, index: number): number => rng.normal() * (1 + (index % channels)) + (index % channels);

function norm(tape: Tape, gamma: Tensor, beta: Tensor, momentum: BatchNormState["momentum"] = 0.1): BatchNormState {
  return {
    gamma,
    beta,
    runningMean: tape.constant([gamma.size], runningMean),
    runningVariance: tape.constant([gamma.size], runningVariance),
    momentum,
    eps,
    observed: { batches: 0, samples: 0 },
  };
}

const running = { mean: Float64Array.from(runningMean), variance: Float64Array.from(runningVariance) };
const affine = { gamma: { shape: [channels], values: positive }, beta: { shape: [channels] } };

for (const training of [true, false]) {
  const mode = training ? "training" : "evaluation";
  const statistics = training ? {} : { running };

  describeOperation({
    name: `batchNorm in ${mode}`,
    inputs: { x: { shape, values: shifted }, ...affine },
    operation: (tape, { x, gamma, beta }) => batchNorm(tape, x!, norm(tape, gamma!, beta!), { training }),
    reference: ({ x, gamma, beta }) => naive.batchNorm(x!, { gamma: gamma!, beta: beta!, eps, ...statistics }),
    tolerance: 2e-5,
  });

  describeOperation({
    name: `branchSum of a RepVGG block in ${mode}`,
    inputs: {
      ...{ u3: { shape, values: shifted }, u1: { shape }, x: { shape } },
      ...{ gamma3: affine.gamma, beta3: affine.beta, gamma1: affine.gamma, beta1: affine.beta },
      ...{ gamma0: affine.gamma, beta0: affine.beta },
    },
    operation: (tape, t) =>
      branchSum(
        tape,
        [
          { x: t.u3!, norm: norm(tape, t.gamma3!, t.beta3!) },
          { x: t.u1!, norm: norm(tape, t.gamma1!, t.beta1!) },
          { x: t.x!, norm: norm(tape, t.gamma0!, t.beta0!) },
        ],
        { relu: true, training },
      ),
    reference: (t) =>
      naive.relu(
        naive.add(
          naive.batchNorm(t.u3!, { gamma: t.gamma3!, beta: t.beta3!, eps, ...statistics }),
          naive.batchNorm(t.u1!, { gamma: t.gamma1!, beta: t.beta1!, eps, ...statistics }),
          naive.batchNorm(t.x!, { gamma: t.gamma0!, beta: t.beta0!, eps, ...statistics }),
        ),
      ),
    tolerance: 5e-5,
  });

  describeOperation({
    name: `branchSum of two branches, one as it is, the other's scale frozen, in ${mode}`,
    inputs: { x: { shape }, u: { shape }, gamma: { ...affine.gamma, frozen: true }, beta: affine.beta },
    operation: (tape, { x, u, gamma, beta }) =>
      branchSum(tape, [{ x: x! }, { x: u!, norm: norm(tape, gamma!, beta!) }], { training }),
    reference: ({ x, u, gamma, beta }) =>
      naive.add(x!, naive.batchNorm(u!, { gamma: gamma!, beta: beta!, eps, ...statistics })),
    tolerance: 2e-5,
  });

  describeOperation({
    name: `branchSum of one tensor twice in ${mode}`,
    inputs: { x: { shape }, ...affine },
    operation: (tape, { x, gamma, beta }) =>
      branchSum(tape, [{ x: x!, norm: norm(tape, gamma!, beta!) }, { x: x! }], { relu: true, training }),
    reference: ({ x, gamma, beta }) =>
      naive.relu(naive.add(x!, naive.batchNorm(x!, { gamma: gamma!, beta: beta!, eps, ...statistics }))),
    tolerance: 5e-5,
  });
}

describeOperation({
  name: "branchSum of branches without BatchNorm",
  inputs: { a: { shape }, b: { shape, frozen: true }, c: { shape } },
  operation: (tape, { a, b, c }) => branchSum(tape, [{ x: a! }, { x: b! }, { x: c! }], { relu: true, training: true }),
  reference: ({ a, b, c }) => naive.relu(naive.add(a!, b!, c!)),
});

describeOperation({
  name: "batchNorm of [N,C] with rows for several partial sums and means far from 0",
  inputs: {
    x: { shape: [5000, channels], values: (rng, index) => rng.normal() + 20 * (index % channels) },
    ...affine,
  },
  operation: (tape, { x, gamma, beta }) => batchNorm(tape, x!, norm(tape, gamma!, beta!), { training: true }),
  reference: ({ x, gamma, beta }) => naive.batchNorm(x!, { gamma: gamma!, beta: beta!, eps }),
  tolerance: 5e-5,
});

describeOperation({
  name: "batchNormScale",
  inputs: { gamma: affine.gamma },
  operation: (tape, { gamma }) => batchNormScale(tape, norm(tape, gamma!, gamma!)),
  reference: ({ gamma }) => gamma!.map((value, c) => value / Math.sqrt(running.variance[c]! + eps)),
});

describe("running statistics", () => {
  const batch = (tape: Tape, rows: number, seed: number): Tensor =>
    tape.constant(
      [rows, channels],
      Float32Array.from({ length: rows * channels }, (_, i) => Math.sin(i * 0.7 + seed) * (1 + (i % channels)) + seed),
    );

  it("move by momentum towards mean and unbiased variance of the batch", () => {
    const tape = new Tape(backendOf(1));
    const state = norm(
      tape,
      tape.constant([channels], [1, 1, 1, 1, 1, 1]),
      tape.constant([channels], [0, 0, 0, 0, 0, 0]),
      0.3,
    );
    const x = batch(tape, 10, 1);
    const { mean, variance } = naive.statistics(Float64Array.from(x.toArray()), channels);
    batchNorm(tape, x, state, { training: true });
    expectClose(
      state.runningMean.toArray(),
      mean.map((value, c) => 0.7 * runningMean[c]! + 0.3 * value),
      1e-6,
    );
    const unbiased = variance.map((value, c) => 0.7 * runningVariance[c]! + (0.3 * value * 10) / 9);
    expectClose(state.runningVariance.toArray(), unbiased, 1e-6);
    expect(state.observed).toEqual({ batches: 1, samples: 10 });
    tape.dispose();
  });

  it("stay as they are in evaluation", () => {
    const tape = new Tape(backendOf(1));
    const one = tape.constant([channels], [1, 1, 1, 1, 1, 1]);
    const state = norm(tape, one, one);
    batchNorm(tape, batch(tape, 10, 1), state, { training: false });
    expectClose(state.runningMean.toArray(), runningMean, 1e-7);
    expect(state.observed).toEqual({ batches: 0, samples: 0 });
    tape.dispose();
  });

  it("are exact over all batches when cumulative, however the batches were cut", () => {
    const tape = new Tape(backendOf(1));
    const one = tape.constant([channels], [1, 1, 1, 1, 1, 1]);
    const state = norm(tape, one, one, "cumulative");
    const batches = [12, 3, 40, 7].map((rows, index) => batch(tape, rows, index * 5));
    for (const x of batches) tape.noGradient(() => batchNorm(tape, x, state, { training: true }));
    const all = Float64Array.from(batches.flatMap((x) => [...x.toArray()]));
    const { mean, variance } = naive.statistics(all, channels);
    expectClose(state.runningMean.toArray(), mean, 1e-6);
    expectClose(
      state.runningVariance.toArray(),
      variance.map((value) => (value * 62) / 61),
      1e-6,
    );
    expect(state.observed).toEqual({ batches: 4, samples: 62 });
    tape.dispose();
  });

  it("cannot come from a single value a channel", () => {
    const tape = new Tape(backendOf(1));
    const one = tape.constant([channels], [1, 1, 1, 1, 1, 1]);
    const x = tape.empty([1, 1, 1, channels]);
    expect(() => batchNorm(tape, x, norm(tape, one, one), { training: true })).toThrow("use a larger batch");
    expect(() => batchNorm(tape, tape.empty([4, 5]), norm(tape, one, one), { training: true })).toThrow(
      "over 5 channels",
    );
    expect(() => branchSum(tape, [], { training: true })).toThrow("1 to 3 branches");
    tape.dispose();
  });
});
