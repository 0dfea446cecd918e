import { describe, expect, it } from "vitest";
import { conv2d, linear, Parameter, Tape } from "#repvgg/tensor/index.js";
import { backendOf } from "./backends.js";
import { describeOperation } from "./gradient-check.js";
import * as naive from "./naive.js";

interface ConvCase {
  name: string;
  x: [number, number, number, number];
  weight: [number, number, number, number];
  stride?: [number, number];
  padding?: [number, number];
  dilation?: [number, number];
  groups?: number;
  bias?: boolean;
  tolerance?: number;
}

const cases: ConvCase[] = [
  { name: "3×3 stride 1", x: [2, 8, 8, 8], weight: [3, 3, 8, 16], padding: [1, 1], tolerance: 1e-4 },
  { name: "3×3 with odd sizes and bias", x: [1, 7, 5, 3], weight: [3, 3, 3, 5], padding: [1, 1], bias: true },
  { name: "3×3 stride 2", x: [2, 7, 8, 4], weight: [3, 3, 4, 8], stride: [2, 2], padding: [1, 1] },
  { name: "1×1 stride 2", x: [2, 7, 8, 4], weight: [1, 1, 4, 8], stride: [2, 2] },
  { name: "1×1 with bias", x: [2, 4, 4, 12], weight: [1, 1, 12, 8], bias: true },
  { name: "groups of 2", x: [2, 6, 6, 16], weight: [3, 3, 8, 16], padding: [1, 1], groups: 2 },
  { name: "1×1 groups of 4", x: [1, 4, 4, 16], weight: [1, 1, 4, 8], groups: 4 },
  { name: "depthwise", x: [2, 6, 5, 8], weight: [3, 3, 1, 8], padding: [1, 1], groups: 8 },
  { name: "dilation 2", x: [1, 8, 8, 4], weight: [3, 3, 4, 4], padding: [2, 2], dilation: [2, 2] },
  { name: "1×3 with unequal padding", x: [1, 6, 7, 4], weight: [1, 3, 4, 4], padding: [0, 1] },
];

for (const { name, x, weight, bias, tolerance, ...options } of cases) {
  describeOperation({
    name: `conv2d ${name}`,
    inputs: { x: { shape: x }, weight: { shape: weight }, ...(bias && { bias: { shape: [weight[3]] } }) },
    operation: (tape, inputs) =>
      conv2d(tape, inputs.x!, inputs.weight!, { ...options, ...(bias && { bias: inputs.bias! }) }),
    reference: (inputs) => naive.conv2d(inputs.x!, inputs.weight!, inputs.bias, { x, weight, ...options }),
    tolerance: tolerance ?? 2e-5,
  });
}

describeOperation({
  name: "conv2d of a picture, which needs no gradient",
  inputs: { x: { shape: [2, 8, 8, 3], frozen: true }, weight: { shape: [3, 3, 3, 4] } },
  operation: (tape, { x, weight }) => conv2d(tape, x!, weight!, { stride: 2, padding: 1 }),
  reference: ({ x, weight }) =>
    naive.conv2d(x!, weight!, undefined, { x: [2, 8, 8, 3], weight: [3, 3, 3, 4], stride: [2, 2], padding: [1, 1] }),
});

describeOperation({
  name: "two convolutions of one input, whose gradients add up",
  inputs: { x: { shape: [1, 6, 6, 4] }, k3: { shape: [3, 3, 4, 4] }, k1: { shape: [1, 1, 4, 4], frozen: true } },
  operation: (tape, { x, k3, k1 }) => conv2d(tape, conv2d(tape, x!, k1!), k3!, { padding: 1 }),
  reference: ({ x, k3, k1 }) =>
    naive.conv2d(naive.conv2d(x!, k1!, undefined, { x: [1, 6, 6, 4], weight: [1, 1, 4, 4] }), k3!, undefined, {
      x: [1, 6, 6, 4],
      weight: [3, 3, 4, 4],
      padding: [1, 1],
    }),
  tolerance: 1e-4,
});

describeOperation({
  name: "linear",
  inputs: { x: { shape: [5, 12] }, weight: { shape: [12, 7] }, bias: { shape: [7] } },
  operation: (tape, { x, weight, bias }) => linear(tape, x!, weight!, bias),
  reference: ({ x, weight, bias }) => naive.linear(x!, weight!, bias, 7),
});

describe("shapes that do not fit", () => {
  it.each([
    ["conv2d with other channels", [1, 4, 4, 3], [3, 3, 4, 8], "4 channels a group"],
    ["conv2d with a kernel larger than the input", [1, 2, 2, 4], [3, 3, 4, 8], "2×2"],
  ])("%s", (_, x, weight, message) => {
    const tape = new Tape(backendOf(1));
    const kernel = new Parameter(backendOf(1), "weight", weight);
    expect(() => conv2d(tape, tape.empty(x), kernel)).toThrow(message);
    kernel.dispose();
    tape.dispose();
  });

  it("linear with other inputs, and a bias that is too short", () => {
    const tape = new Tape(backendOf(1));
    expect(() => linear(tape, tape.empty([2, 3]), tape.empty([4, 5]))).toThrow("expected x [N,in] and weight [in,out]");
    expect(() => linear(tape, tape.empty([2, 4]), tape.empty([4, 5]), tape.empty([4]))).toThrow("bias of [5]");
    tape.dispose();
  });
});
