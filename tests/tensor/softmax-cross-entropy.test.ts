import { describe, expect, it } from "vitest";
import { classTargets, scale, softmaxCrossEntropy, Tape } from "#repvgg/tensor/index.js";
import { backendOf } from "./backends.js";
import { describeOperation, expectClose } from "./gradient-check.js";
import * as naive from "./naive.js";

const labels = [3, 0, 6, 3, 1];
const soft = classTargets(labels, 7, { smoothing: 0.1, mixup: { partners: [4, 3, 2, 1, 0], lambda: 0.3 } });

for (const [name, targets] of Object.entries({ "one-hot": classTargets(labels, 7), soft })) {
  describeOperation({
    name: `softmaxCrossEntropy with ${name} targets`,
    inputs: { logits: { shape: [5, 7], values: (rng) => 3 * rng.normal() } },
    operation: (tape, { logits }) => scale(tape, softmaxCrossEntropy(tape, logits!, tape.constant([5, 7], targets)), 2),
    reference: ({ logits }) =>
      naive.softmaxCrossEntropy(logits!, Float64Array.from(targets), 7).map((value) => 2 * value),
  });
}

describe("softmaxCrossEntropy", () => {
  it("survives logits whose exponentials overflow", () => {
    const tape = new Tape(backendOf(1));
    const logits = tape.constant([2, 3], [1000, 0, -1000, -500, -500, -500]);
    const loss = softmaxCrossEntropy(tape, logits, tape.constant([2, 3], classTargets([1, 2], 3)));
    expectClose(loss.toArray(), [(1000 + Math.log(3)) / 2], 1e-6);
    tape.dispose();
  });
});

describe("classTargets", () => {
  it("puts 1 at the label", () => {
    expect([...classTargets([2, 0], 3)]).toEqual([0, 0, 1, 1, 0, 0]);
  });

  it("smooths as PyTorch: 1 − ε + ε/K and ε/K", () => {
    expectClose(classTargets([1], 4, { smoothing: 0.1 }), [0.025, 0.925, 0.025, 0.025], 1e-6);
  });

  it("mixes pairs, with one λ or one a picture; rows sum to 1", () => {
    const mixup = { partners: [1, 0], lambda: [0.7, 1] };
    expectClose(classTargets([0, 2], 3, { mixup }), [0.7, 0, 0.3, 0, 0, 1], 1e-6);
    const sums = Array.from({ length: 5 }, (_, row) => soft.slice(row * 7, row * 7 + 7).reduce((a, b) => a + b, 0));
    expectClose(sums, [1, 1, 1, 1, 1], 1e-6);
  });

  it("refuses labels and partners that do not exist", () => {
    expect(() => classTargets([3], 3)).toThrow("label 3 of 3 classes");
    expect(() => classTargets([0], 3, { mixup: { partners: [1], lambda: 0.5 } })).toThrow("picture 1 in a batch of 1");
  });
});
