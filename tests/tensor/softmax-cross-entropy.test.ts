import { describe, expect, it } from "vitest";
import { scale, softmaxCrossEntropy, Tape } from "#repvgg/tensor/index.js";
import { backendOf } from "./backends.js";
import { describeOperation, expectClose } from "./gradient-check.js";
import * as naive from "./naive.js";

const labels = [3, 0, 6, 3, 1];
const oneHot = labels.flatMap((label) => Array.from({ length: 7 }, (_, k) => (k === label ? 1 : 0)));
/** Label smoothing of 0.1, and each picture mixed with the next. */
const soft = oneHot.map((value, at) => 0.1 / 7 + 0.9 * (0.3 * value + 0.7 * oneHot[(at + 7) % 35]!));

for (const [name, targets] of Object.entries({ "one-hot": oneHot, soft })) {
  describeOperation({
    name: `softmaxCrossEntropy with ${name} targets`,
    inputs: { logits: { shape: [5, 7], values: (rng) => 3 * rng.normal() } },
    operation: (tape, { logits }) => scale(tape, softmaxCrossEntropy(tape, logits!, tape.constant([5, 7], targets)), 2),
    reference: ({ logits }) =>
      naive.softmaxCrossEntropy(logits!, Float64Array.from(targets, Math.fround), 7).map((value) => 2 * value),
  });
}

// Pictures that count differently, one of them not at all: as if each were there so many times.
const pictureWeights = Float32Array.of(2, 0.5, 0, 1, 3.25);
describeOperation({
  name: "softmaxCrossEntropy with weights",
  inputs: { logits: { shape: [5, 7], values: (rng) => 3 * rng.normal() } },
  operation: (tape, { logits }) => softmaxCrossEntropy(tape, logits!, tape.constant([5, 7], soft), pictureWeights),
  reference: ({ logits }) =>
    Float64Array.of(
      pictureWeights.reduce((sum, weight, i) => {
        const row = (values: ArrayLike<number>) => Float64Array.from(values).subarray(7 * i, 7 * i + 7);
        return sum + (weight * naive.softmaxCrossEntropy(row(logits!), row(soft).map(Math.fround), 7)[0]!) / 5;
      }, 0),
    ),
});

// More classes than any processor has lanes, with a rest.
const many = Array.from({ length: 3 * 103 }, (_, at) => (at % 103 === (at * 7) % 11 ? 1 / 3 : 0.6 / 103));
describeOperation({
  name: "softmaxCrossEntropy of many classes",
  inputs: { logits: { shape: [3, 103], values: (rng) => 3 * rng.normal() } },
  operation: (tape, { logits }) => softmaxCrossEntropy(tape, logits!, tape.constant([3, 103], rowsOfOne(many))),
  reference: ({ logits }) => naive.softmaxCrossEntropy(logits!, Float64Array.from(rowsOfOne(many), Math.fround), 103),
});

/** Each row divided by its sum. */
function rowsOfOne(values: readonly number[]): number[] {
  return values.map((value, at) => {
    const row = values.slice(at - (at % 103), at - (at % 103) + 103);
    return value / row.reduce((sum, x) => sum + x, 0);
  });
}

describe("softmaxCrossEntropy", () => {
  it("wants a weight for each picture", () => {
    const tape = new Tape(backendOf(1));
    const logits = tape.constant([2, 3], [0, 0, 0, 0, 0, 0]);
    expect(() => softmaxCrossEntropy(tape, logits, logits, Float32Array.of(1))).toThrow("a weight for each of 2");
    tape.dispose();
  });

  it("survives logits whose exponentials overflow", () => {
    const tape = new Tape(backendOf(1));
    const logits = tape.constant([2, 3], [1000, 0, -1000, -500, -500, -500]);
    const loss = softmaxCrossEntropy(tape, logits, tape.constant([2, 3], [0, 1, 0, 0, 0, 1]));
    expectClose(loss.toArray(), [(1000 + Math.log(3)) / 2], 1e-6);
    tape.dispose();
  });
});
