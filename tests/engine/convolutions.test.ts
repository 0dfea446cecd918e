import { describe, expect, it } from "vitest";
import type { NamedArray } from "#repvgg/core/named-arrays.js";
import { Rng } from "#repvgg/core/rng.js";
import { createSession } from "#repvgg/engine/session.js";
import { int, ints, string } from "#repvgg/graph/attributes.js";
import type { GraphBuilder } from "#repvgg/graph/build.js";
import type { AttributeValue } from "#repvgg/graph/graph.js";
import { normal } from "../graph/support.js";
import { checkGraph, graphOf, randomArray, randomBatchNorm } from "./compare.js";
import { engineBackends, expectCase, type NodeCase, runCase } from "./node-case.js";

const rng = new Rng(15);
const x = (...shape: number[]): NamedArray => normal(rng, shape);

interface Form {
  readonly what: string;
  readonly x: readonly number[];
  /** Of a transposed convolution: [inputs, outputs of a group, k…]. */
  readonly w: readonly number[];
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
}

const transposed: readonly Form[] = [
  { what: "plain", x: [1, 3, 4, 5], w: [3, 4, 3, 3] },
  { what: "2×2, stride 2 (U-Net)", x: [2, 16, 5, 4], w: [16, 8, 2, 2], attributes: { strides: ints([2, 2]) } },
  {
    what: "4×4, stride 2, pad 1 (GAN)",
    x: [1, 8, 6, 7],
    w: [8, 6, 4, 4],
    attributes: { strides: ints([2, 2]), pads: ints([1, 1, 1, 1]) },
  },
  {
    what: "3×3, stride 2, output padding",
    x: [1, 16, 7, 9],
    w: [16, 16, 3, 3],
    attributes: { strides: ints([2, 2]), pads: ints([1, 1, 1, 1]), output_padding: ints([1, 1]) },
  },
  {
    what: "3×3, stride 2, no output padding",
    x: [1, 16, 7, 9],
    w: [16, 16, 3, 3],
    attributes: { strides: ints([2, 2]), pads: ints([1, 1, 1, 1]) },
  },
  {
    what: "3×3, stride 1, pad 1 (Winograd)",
    x: [1, 32, 12, 13],
    w: [32, 24, 3, 3],
    attributes: { pads: ints([1, 1, 1, 1]) },
  },
  {
    what: "stride beyond the kernel",
    x: [2, 3, 3, 4],
    w: [3, 2, 2, 1],
    attributes: { strides: ints([3, 4]), output_padding: ints([2, 1]) },
  },
  { what: "dilated", x: [1, 4, 5, 5], w: [4, 3, 3, 2], attributes: { dilations: ints([2, 3]), strides: ints([2, 1]) } },
  {
    what: "output padding beyond the stride",
    x: [1, 2, 4, 4],
    w: [2, 3, 3, 3],
    attributes: { dilations: ints([3, 3]), output_padding: ints([2, 1]) },
  },
  {
    what: "uneven pads",
    x: [1, 4, 6, 5],
    w: [4, 3, 3, 3],
    attributes: { pads: ints([0, 1, 2, 1]), strides: ints([1, 2]) },
  },
  { what: "groups", x: [1, 6, 5, 4], w: [6, 2, 3, 3], attributes: { group: int(3), strides: ints([2, 2]) } },
  {
    what: "depthwise",
    x: [1, 8, 5, 4],
    w: [8, 1, 4, 4],
    attributes: { group: int(8), strides: ints([2, 2]), pads: ints([1, 1, 1, 1]) },
  },
  {
    what: "output shape",
    x: [1, 3, 4, 4],
    w: [3, 2, 3, 3],
    attributes: { strides: ints([2, 2]), output_shape: ints([10, 8]) },
  },
  {
    what: "output shape, SAME_UPPER",
    x: [1, 3, 4, 4],
    w: [3, 2, 3, 3],
    attributes: { strides: ints([2, 2]), output_shape: ints([8, 8]), auto_pad: string("SAME_UPPER") },
  },
  {
    what: "SAME_UPPER",
    x: [1, 3, 4, 5],
    w: [3, 2, 3, 3],
    attributes: { strides: ints([2, 2]), auto_pad: string("SAME_UPPER") },
  },
  {
    what: "SAME_LOWER",
    x: [1, 3, 4, 5],
    w: [3, 2, 3, 3],
    attributes: { strides: ints([2, 3]), auto_pad: string("SAME_LOWER") },
  },
  { what: "signals", x: [2, 4, 9], w: [4, 3, 5], attributes: { strides: ints([3]), pads: ints([1, 2]) } },
];

const volumes: readonly Form[] = [
  { what: "plain volumes", x: [2, 3, 5, 6, 7], w: [4, 3, 3, 3, 3] },
  {
    what: "strided, padded, dilated volumes",
    x: [1, 8, 6, 7, 9],
    w: [8, 4, 2, 3, 3],
    attributes: {
      group: int(2),
      strides: ints([2, 1, 2]),
      dilations: ints([2, 1, 2]),
      pads: ints([2, 1, 0, 1, 1, 2]),
    },
  },
  {
    what: "volumes whose border no slice reaches",
    x: [1, 3, 3, 4, 4],
    w: [2, 3, 1, 3, 3],
    attributes: { pads: ints([2, 1, 1, 1, 1, 1]) },
  },
];
const transposedVolumes: readonly Form[] = [
  { what: "plain volumes", x: [2, 3, 3, 4, 5], w: [3, 4, 3, 3, 3] },
  {
    what: "volumes of stride 2 and 3",
    x: [1, 4, 3, 4, 3],
    w: [4, 2, 2, 3, 3],
    attributes: {
      group: int(2),
      strides: ints([3, 2, 2]),
      pads: ints([1, 0, 1, 0, 1, 1]),
      output_padding: ints([1, 1, 0]),
    },
  },
];

const transposedCases = [...transposed, ...transposedVolumes].flatMap(
  ({ what, x: shape, w, attributes = {} }): NodeCase[] => {
    const groups = attributes["group"]?.type === "int" ? attributes["group"].value : 1;
    const inputs = [x(...shape), x(...w), x(w[1]! * groups)];
    // An output_padding from the stride on (below the dilation) is right, but more than ONNX Runtime takes.
    const withoutOnnxRuntime = what.includes("beyond the stride");
    const common = { op: "ConvTranspose", attributes, tolerance: 2e-5, withoutOnnxRuntime };
    return [
      { ...common, what, inputs },
      { ...common, what: `${what}, no bias`, inputs: inputs.slice(0, 2) },
      ...(shape.length === 5
        ? []
        : [{ ...common, what: `${what}, computed weights and bias`, inputs, computed: [0, 1, 2] }]),
    ];
  },
);

const convolutions: readonly Form[] = [
  { what: "signals", x: [2, 6, 17], w: [8, 6, 3], attributes: { strides: ints([2]), pads: ints([1, 1]) } },
  { what: "dilated signals", x: [1, 16, 30], w: [16, 16, 3], attributes: { dilations: ints([4]), pads: ints([4, 4]) } },
  { what: "depthwise signals", x: [1, 8, 20], w: [8, 1, 5], attributes: { group: int(8), pads: ints([2, 2]) } },
  { what: "images", x: [2, 5, 9, 8], w: [7, 5, 3, 2], attributes: { strides: ints([1, 2]) } },
  { what: "3×3", x: [1, 16, 12, 11], w: [24, 16, 3, 3], attributes: { pads: ints([1, 1, 1, 1]) } },
  { what: "groups", x: [1, 6, 7, 7], w: [9, 2, 3, 3], attributes: { group: int(3) } },
  { what: "depthwise", x: [1, 8, 6, 7], w: [8, 1, 3, 3], attributes: { group: int(8) } },
  { what: "1×1", x: [1, 12, 5, 5], w: [6, 12, 1, 1] },
];

const convolutionCases = convolutions.flatMap(({ what, x: shape, w, attributes = {} }): NodeCase[] => {
  const inputs = [x(...shape), x(...w), x(w[0]!)];
  const common = { op: "Conv", inputs, attributes, tolerance: 2e-5 };
  return [
    { ...common, what },
    { ...common, what: `${what}, computed weights`, computed: [0, 1] },
    { ...common, what: `${what}, computed weights and bias`, computed: [0, 1, 2] },
    { ...common, what: `${what}, computed bias`, computed: [0, 2] },
    { ...common, what: `${what}, computed weights of a constant`, computed: [1] },
  ].map((c) => ({ ...c, inputs: c.what.includes("computed weights,") ? inputs.slice(0, 2) : inputs }));
});

const volumeCases = volumes.map(
  ({ what, x: shape, w, attributes = {} }): NodeCase => ({
    ...{ op: "Conv", what, attributes, tolerance: 2e-5 },
    inputs: [x(...shape), x(...w), x(w[0]!)],
  }),
);

describe.each(engineBackends)("on $name", ({ backend }) => {
  it.each([...transposedCases, ...convolutionCases, ...volumeCases])("$op $what", (c) => expectCase(backend, c));

  it("takes what is affine behind a transposed convolution into its weights, and sums and ReLU into it", () => {
    const build = (strides: number, kernel: number, kept: boolean) => (b: GraphBuilder) => {
      const attributes = { strides: ints([strides, strides]) };
      const transposed = (name: string) => {
        const weight = b.constant(`${name}.w`, randomArray(`${name}${kernel}`, [6, 4, kernel, kernel]));
        return b.add("ConvTranspose", name, ["x", weight, b.constant(`${name}.b`, randomArray(name, [4]))], attributes);
      };
      const normed = b.batchNorm("bn", transposed("t"), randomBatchNorm("bn", 4));
      const sum = b.add("Relu", "sum", [b.add("Add", "added", [normed, transposed("u")])]);
      return kept ? [normed, sum] : [sum];
    };
    // With stride 3 and kernel 1 most positions are reached by no tap: bias and ReLU are theirs all the same.
    for (const [stride, kernel] of [
      [2, 2],
      [2, 3],
      [3, 1],
      [1, 3],
    ] as const) {
      for (const kept of [true, false]) checkGraph(backend, [2, 6, 5, 4], build(stride, kernel, kept), 2e-5);
    }
    const plan = createSession(graphOf([1, 6, 5, 4], build(2, 2, false)), { backend, shape: [1, 6, 5, 4] });
    const ops = plan.plan().steps.map(({ op }) => op);
    plan.dispose();
    expect(ops.filter((op) => op !== "Transpose")).toEqual(["ConvTranspose+Affine", "ConvTranspose+Add+Relu"]);
  });

  it("scales the outputs of every group", () => {
    checkGraph(
      backend,
      [1, 6, 5, 4],
      (b) => {
        const attributes = { strides: ints([2, 2]), group: int(2) };
        const y = b.add("ConvTranspose", "t", ["x", b.constant("w", randomArray("w", [6, 4, 3, 3]))], attributes);
        return [b.batchNorm("bn", y, randomBatchNorm("bn", 8))];
      },
      2e-5,
    );
  });

  it("sums volumes with what is affine behind them, a shortcut and ReLU", () => {
    const attributes = { pads: ints([2, 1, 1, 2, 1, 1]), strides: ints([3, 1, 1]) };
    const strided = (b: GraphBuilder) => {
      const convolved = (name: string) =>
        b.add("Conv", name, ["x", b.constant(`${name}.w`, randomArray(name, [4, 3, 1, 3, 3]))], attributes);
      const sum = b.add("Add", "sum", [b.batchNorm("bn", convolved("a"), randomBatchNorm("bn", 4)), convolved("b")]);
      return [b.add("Relu", "y", [sum])];
    };
    checkGraph(backend, [2, 3, 4, 5, 4], strided, 2e-5);
  });

  it("refuses volumes with computed weights by name", () => {
    const volume: NodeCase = { op: "Conv", inputs: [x(1, 2, 3, 3, 3), x(2, 2, 2, 2, 2)], computed: [0, 1] };
    expect(() => runCase(backend, volume)).toThrow(/one or two spatial axes in node "node" \(Conv\)/);
  });
});
