import { describe, expect, it } from "vitest";
import {
  add,
  cropKernel,
  globalAveragePool,
  multiply,
  multiplyChannel,
  normalizeImages,
  padKernel,
  relu,
  scale,
  scaleOutputChannels,
  sigmoid,
  sum,
  sumSquares,
  Tape,
} from "#repvgg/tensor/index.js";
import { backendOf } from "./backends.js";
import { describeOperation, expectClose } from "./gradient-check.js";
import * as naive from "./naive.js";

const shape = [2, 3, 5, 7];

describeOperation({
  name: "relu",
  inputs: { x: { shape, values: (rng) => rng.uniform(0.1, 2) * (rng.next() < 0.5 ? -1 : 1) } },
  operation: (tape, { x }) => relu(tape, x!),
  reference: ({ x }) => naive.relu(x!),
});

describeOperation({
  name: "sigmoid",
  inputs: { x: { shape, values: (rng) => 4 * rng.normal() } },
  operation: (tape, { x }) => sigmoid(tape, x!),
  reference: ({ x }) => naive.sigmoid(x!),
});

describeOperation({
  name: "add",
  inputs: { a: { shape }, b: { shape } },
  operation: (tape, { a, b }) => add(tape, a!, b!),
  reference: ({ a, b }) => naive.add(a!, b!),
});

describeOperation({
  name: "sums of sums, where one gradient flows to many",
  inputs: { a: { shape }, b: { shape } },
  operation: (tape, { a, b }) => {
    const ab = add(tape, scale(tape, a!, 3), b!);
    return add(tape, add(tape, ab, ab), add(tape, relu(tape, ab), a!));
  },
  reference: ({ a, b }) => {
    const ab = naive.add(
      a!.map((value) => 3 * value),
      b!,
    );
    return naive.add(ab, ab, naive.relu(ab), a!);
  },
});

describeOperation({
  name: "multiply",
  inputs: { a: { shape }, b: { shape }, frozen: { shape, frozen: true } },
  operation: (tape, { a, b, frozen }) => multiply(tape, multiply(tape, a!, b!), frozen!),
  reference: ({ a, b, frozen }) => a!.map((value, i) => value * b![i]! * frozen![i]!),
});

describeOperation({
  name: "multiply by itself",
  inputs: { x: { shape } },
  operation: (tape, { x }) => multiply(tape, x!, x!),
  reference: ({ x }) => x!.map((value) => value * value),
});

describeOperation({
  name: "scale",
  inputs: { x: { shape } },
  operation: (tape, { x }) => add(tape, scale(tape, x!, -2.5), scale(tape, x!, 0.25)),
  reference: ({ x }) => x!.map((value) => -2.25 * value),
});

for (const [name, extent] of Object.entries({ matrix: [9, 5], vector: [11], scalar: [] })) {
  describeOperation({
    name: `sum of a ${name}, twice`,
    inputs: { x: { shape: extent } },
    operation: (tape, { x }) => add(tape, sum(tape, x!), scale(tape, sum(tape, x!), 2)),
    reference: ({ x }) => Float64Array.of(3 * x!.reduce((total, value) => total + value, 0)),
  });

  describeOperation({
    name: `sumSquares of a ${name}, twice`,
    inputs: { x: { shape: extent } },
    operation: (tape, { x }) => add(tape, sumSquares(tape, x!), scale(tape, sumSquares(tape, x!), 2)),
    reference: ({ x }) => Float64Array.of(3 * x!.reduce((total, value) => total + value * value, 0)),
  });
}

describeOperation({
  name: "multiplyChannel",
  inputs: { x: { shape }, factors: { shape: [2, 7] } },
  operation: (tape, { x, factors }) => multiplyChannel(tape, x!, factors!),
  reference: ({ x, factors }) => naive.multiplyChannel(x!, factors!, 2, 7),
});

describeOperation({
  name: "squeeze and excitation, where x is used twice",
  inputs: { x: { shape } },
  operation: (tape, { x }) => multiplyChannel(tape, x!, sigmoid(tape, globalAveragePool(tape, x!))),
  reference: ({ x }) => naive.multiplyChannel(x!, naive.sigmoid(naive.globalAveragePool(x!, 2, 7)), 2, 7),
});

describeOperation({
  name: "scaleOutputChannels",
  inputs: { weight: { shape: [3, 3, 2, 5] }, factor: { shape: [5] } },
  operation: (tape, { weight, factor }) => scaleOutputChannels(tape, weight!, factor!),
  reference: ({ weight, factor }) => naive.multiplyChannel(weight!, factor!, 1, 5),
});

describeOperation({
  name: "globalAveragePool",
  inputs: { x: { shape } },
  operation: (tape, { x }) => globalAveragePool(tape, x!),
  reference: ({ x }) => naive.globalAveragePool(x!, 2, 7),
});

/** Elements of [outer,outer,I,O] inside the centred inner×inner window. */
function inWindow(index: number, outer: number, inner: number, tap: number): boolean {
  const margin = (outer - inner) / 2;
  const [row, column] = [Math.floor(index / (outer * tap)), Math.floor(index / tap) % outer];
  return [row, column].every((at) => at >= margin && at < margin + inner);
}

for (const [outer, inner] of [
  [3, 1],
  [5, 3],
  [3, 3],
] as const) {
  describeOperation({
    name: `padKernel ${inner}×${inner} → ${outer}×${outer}, twice`,
    inputs: { weight: { shape: [inner, inner, 2, 3] } },
    operation: (tape, { weight }) =>
      add(tape, padKernel(tape, weight!, outer, outer), scale(tape, padKernel(tape, weight!, outer, outer), 2)),
    reference: ({ weight }) => {
      let next = 0;
      return new Float64Array(outer * outer * 6).map((_, i) =>
        inWindow(i, outer, inner, 6) ? 3 * weight![next++]! : 0,
      );
    },
  });

  describeOperation({
    name: `cropKernel ${outer}×${outer} → ${inner}×${inner}, twice`,
    inputs: { weight: { shape: [outer, outer, 2, 3] } },
    operation: (tape, { weight }) =>
      add(tape, cropKernel(tape, weight!, inner, inner), scale(tape, cropKernel(tape, weight!, inner, inner), 2)),
    reference: ({ weight }) => weight!.filter((_, i) => inWindow(i, outer, inner, 6)).map((value) => 3 * value),
  });
}

describe("normalizeImages", () => {
  it("maps bytes to (x / 255 − mean) / std", () => {
    const tape = new Tape(backendOf(1));
    const images = Uint8Array.from({ length: 2 * 3 * 3 * 3 }, (_, i) => (i * 37) % 256);
    const [mean, std] = [
      [0.485, 0.456, 0.406],
      [0.229, 0.224, 0.225],
    ];
    const result = normalizeImages(tape, images, [2, 3, 3, 3], { mean, std }).toArray();
    expectClose(
      result,
      Float64Array.from(images, (byte, i) => (byte / 255 - mean[i % 3]!) / std[i % 3]!),
      1e-6,
    );
    expect(() => normalizeImages(tape, images, [2, 3, 3, 1], { mean, std })).toThrow("[2,3,3,1]");
    tape.dispose();
  });
});

describe("shapes that do not fit", () => {
  it.each<[string, (tape: Tape) => unknown]>([
    ["[2,3] and [3,2]", (tape) => add(tape, tape.empty([2, 3]), tape.empty([3, 2]))],
    ["[2] and [2,1]", (tape) => multiply(tape, tape.empty([2]), tape.empty([2, 1]))],
    ["factors of [2,7]", (tape) => multiplyChannel(tape, tape.empty(shape), tape.empty([2, 5]))],
    ["factors of [5]", (tape) => scaleOutputChannels(tape, tape.empty([3, 5]), tape.empty([3]))],
    ["[N, …, C]", (tape) => globalAveragePool(tape, tape.empty([3]))],
    ["2×2 and 3×3", (tape) => padKernel(tape, tape.empty([2, 2, 1, 1]), 3, 3)],
    ["3×3 and 1×1", (tape) => padKernel(tape, tape.empty([3, 3, 1, 1]), 1, 1)],
    ["a kernel [kh,kw,I,O]", (tape) => cropKernel(tape, tape.empty([3, 3]), 1, 1)],
  ])("%s", (message, act) => {
    const tape = new Tape(backendOf(1));
    expect(() => act(tape)).toThrow(message);
    tape.dispose();
  });
});
