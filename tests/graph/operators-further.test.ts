import { describe, expect, it } from "vitest";
import { f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { Rng } from "#repvgg/core/rng.js";
import { float, int, ints, string } from "#repvgg/graph/attributes.js";
import { int64, node } from "#repvgg/graph/build.js";
import { tensor64, toTensor64 } from "#repvgg/graph/evaluate/tensor64.js";
import type { AttributeValue } from "#repvgg/graph/graph.js";
import { apply } from "#repvgg/graph/operator/apply.js";
import { expectSameAsOnnxRuntime, type OnnxRuntimeCase, titled } from "./onnx-runtime-case.js";
import { normal, uniform } from "./support.js";

const rng = new Rng(31);
const x = (...shape: number[]): NamedArray => normal(rng, shape, 1);
const numbers = (...values: number[]): NamedArray => f32([values.length], Float32Array.from(values));
const one = (value: number): NamedArray => f32([], Float32Array.of(value));
const strings = (...value: string[]): AttributeValue => ({ type: "strings", value });

/** Whole numbers of 8 bits. */
function bytes(dtype: "i8" | "u8", ...shape: number[]): NamedArray {
  const count = shape.reduce((a, b) => a * b, 1);
  const low = dtype === "i8" ? -128 : 0;
  const data = Array.from({ length: count }, () => low + Math.floor(256 * rng.next()));
  return { dtype, shape, data: dtype === "i8" ? Int8Array.from(data) : Uint8Array.from(data) } as NamedArray;
}
const zero = (dtype: "i8" | "u8", ...values: number[]): NamedArray =>
  ({
    dtype,
    shape: values.length === 1 ? [] : [values.length],
    data: dtype === "i8" ? Int8Array.from(values) : Uint8Array.from(values),
  }) as NamedArray;

const equations: readonly (readonly [string, readonly NamedArray[]])[] = [
  ["ij,jk->ik", [x(3, 4), x(4, 2)]],
  ["bhid,bhjd->bhij", [x(2, 2, 3, 4), x(2, 2, 5, 4)]],
  ["ij->ji", [x(3, 4)]],
  ["ij->", [x(3, 4)]],
  ["ii->i", [x(4, 4)]],
  ["ij,jk", [x(3, 4), x(4, 2)]],
  ["ba,ca", [x(3, 4), x(2, 4)]],
  ["...ij,...jk->...ik", [x(2, 3, 4), x(2, 4, 2)]],
  ["i , j -> i j", [x(3), x(4)]],
  ["ij,jk,kl->il", [x(2, 3), x(3, 4), x(4, 2)]],
];

const einsums: OnnxRuntimeCase[] = equations.map(([equation, inputs]) => ({
  op: "Einsum",
  what: equation,
  inputs,
  attributes: { equation: string(equation) },
}));

const products: OnnxRuntimeCase[] = [
  { op: "MatMulInteger", inputs: [bytes("u8", 3, 4), bytes("u8", 4, 5)] },
  {
    op: "MatMulInteger",
    what: "zero points",
    inputs: [bytes("u8", 2, 3, 4), bytes("i8", 4, 5), zero("u8", 7), zero("i8", -3)],
  },
  {
    op: "MatMulInteger",
    what: "a zero point a column",
    inputs: [bytes("u8", 3, 4), bytes("u8", 4, 2), zero("u8", 7), zero("u8", 1, 2)],
  },
  {
    op: "ConvInteger",
    inputs: [bytes("u8", 1, 3, 5, 6), bytes("u8", 4, 3, 3, 3), zero("u8", 99)],
    attributes: { pads: ints([1, 1, 1, 1]) },
  },
  {
    op: "ConvInteger",
    what: "groups, strides",
    inputs: [bytes("u8", 2, 4, 5, 6), bytes("u8", 4, 2, 3, 2), zero("u8", 12), zero("u8", 130)],
    attributes: { group: int(2), strides: ints([2, 1]) },
  },
  ...(["u8", "i8"] as const).map((dtype) => ({
    op: "QLinearMatMul",
    what: dtype,
    inputs: [
      bytes(dtype, 2, 3, 4),
      one(0.01),
      zero(dtype, 5),
      bytes(dtype, 4, 5),
      one(0.02),
      zero(dtype, 9),
      one(0.03),
      zero(dtype, 11),
    ],
  })),
  {
    op: "QLinearMatMul",
    what: "a scale a column",
    inputs: [
      bytes("u8", 3, 4),
      one(0.01),
      zero("u8", 5),
      bytes("i8", 4, 2),
      numbers(0.02, 0.4),
      zero("i8", 0, 0),
      one(0.3),
      zero("u8", 11),
    ],
  },
  ...[undefined, { dtype: "i32", shape: [4], data: Int32Array.of(500, -2000, 0, 90) } as NamedArray].map((bias) => ({
    op: "QLinearConv",
    what: bias ? "bias" : "no bias",
    inputs: [
      ...[
        bytes("u8", 1, 4, 5, 6),
        one(0.02),
        zero("u8", 128),
        bytes("i8", 4, 2, 3, 3),
        numbers(0.01, 0.02, 0.005, 0.03),
      ],
      ...[zero("i8", 0, 0, 0, 0), one(0.05), zero("u8", 100), ...(bias ? [bias] : [])],
    ],
    attributes: { group: int(2), pads: ints([1, 0, 1, 2]) },
  })),
];

/** Blocks of 3 along an axis of 6 or 7 (the last one is shorter). */
const blocked = (op: string, shape: number[], axis: number): OnnxRuntimeCase => {
  const scales = shape.with(axis, Math.ceil(shape[axis]! / 3));
  const zeros = bytes("u8", ...scales);
  const first = op === "QuantizeLinear" ? x(...shape) : bytes("u8", ...shape);
  return {
    op,
    what: `blocks along ${axis} of [${shape}]`,
    opset: 21,
    inputs: [first, uniform(rng, scales, 0.01, 0.1), zeros],
    attributes: { axis: int(axis), block_size: int(3) },
  };
};

const quantized: OnnxRuntimeCase[] = [
  ...["QuantizeLinear", "DequantizeLinear"].flatMap((op) => [
    blocked(op, [2, 6, 3], 1),
    blocked(op, [6, 2], 0),
    blocked(op, [2, 7], 1),
  ]),
  {
    op: "QuantizeLinear",
    what: "output_dtype",
    opset: 21,
    inputs: [x(9), one(0.02)],
    attributes: { output_dtype: int(3) },
  },
];

const arranged: OnnxRuntimeCase[] = [
  { op: "CenterCropPad", opset: 18, inputs: [x(5, 4, 7), int64([3, 7, 7])] },
  {
    op: "CenterCropPad",
    what: "axes",
    opset: 18,
    inputs: [x(5, 4, 7), int64([9, 2])],
    attributes: { axes: ints([-1, 0]) },
  },
  { op: "Col2Im", opset: 18, inputs: [x(2, 12, 20), int64([5, 6]), int64([2, 2])] },
  {
    op: "Col2Im",
    what: "strides, pads and dilations",
    opset: 18,
    inputs: [x(1, 18, 9), int64([5, 6]), int64([3, 2])],
    attributes: { strides: ints([2, 1]), pads: ints([1, 0, 1, 0]), dilations: ints([1, 3]) },
  },
  {
    op: "MaxUnpool",
    inputs: [x(1, 1, 2, 2), { ...int64([5, 7, 13, 15]), shape: [1, 1, 2, 2] } as NamedArray],
    attributes: { kernel_shape: ints([2, 2]), strides: ints([2, 2]) },
  },
  {
    op: "IsInf",
    opset: 20,
    inputs: [numbers(1, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN)],
    attributes: { detect_negative: int(0) },
  },
  ...["avg", "max"].flatMap((mode) =>
    ["half_pixel", "output_half_pixel"].map((how) => ({
      op: "RoiAlign",
      what: `${mode}, ${how}`,
      inputs: [x(2, 3, 8, 9), f32([3, 4], Float32Array.of(1, 2, 13, 9, 0, 0, 3, 4, 5, 5, 20, 20)), int64([0, 1, 1])],
      attributes: {
        ...{ mode: string(mode), coordinate_transformation_mode: string(how), spatial_scale: float(0.5) },
        ...{ output_height: int(3), output_width: int(2), sampling_ratio: int(mode === "avg" ? 0 : 2) },
      },
    })),
  ),
];

const sizes = { length: 4, batch: 3, features: 5, hidden: 2 };

function recurrent(
  op: string,
  gates: number,
  direction: string,
  more: Record<string, AttributeValue> = {},
): OnnxRuntimeCase {
  const { length, batch, features, hidden } = sizes;
  const d = direction === "bidirectional" ? 2 : 1;
  const states = Array.from({ length: op === "LSTM" ? 2 : 1 }, () => x(d, batch, hidden));
  const parameters = [x(d, gates * hidden, features), x(d, gates * hidden, hidden), x(d, 2 * gates * hidden)];
  const peephole = op === "LSTM" ? [x(d, 3 * hidden)] : [];
  return {
    ...{ op, what: `${direction} ${Object.keys(more)}`, opset: 14, outputs: op === "LSTM" ? 3 : 2 },
    inputs: [x(length, batch, features), ...parameters, undefined, ...states, ...peephole],
    attributes: { direction: string(direction), hidden_size: int(hidden), ...more },
  };
}

const recurrences: OnnxRuntimeCase[] = ["forward", "reverse", "bidirectional"].flatMap((direction) => [
  recurrent("RNN", 1, direction),
  recurrent("LSTM", 4, direction),
  recurrent("GRU", 3, direction),
  recurrent("GRU", 3, direction, { linear_before_reset: int(1) }),
]);

const cases = [
  ...einsums,
  ...products,
  ...quantized,
  ...arranged,
  ...recurrences,
  recurrent("RNN", 1, "forward", { activations: strings("Relu") }),
];

describe("further operators as ONNX Runtime has them", () => {
  it.each(titled(cases))("%s", (_, one) => expectSameAsOnnxRuntime(one));
});

describe("DeformConv", () => {
  const attributes = { pads: ints([1, 0, 1, 2]), strides: ints([1, 2]), group: int(2), offset_group: int(2) };
  const run = (op: string, inputs: readonly (NamedArray | undefined)[], more: Record<string, AttributeValue> = {}) =>
    apply(
      node(
        op,
        "n",
        inputs.map((input, i) => (input ? `i${i}` : "")),
        ["y"],
        { ...attributes, ...more },
        19,
      ),
      inputs.map((input) => input && toTensor64(input)),
    )[0]!;
  const [image, weight, bias] = [x(2, 4, 5, 6), x(6, 2, 3, 2), x(6)];
  const { offset_group: _, ...plain } = attributes;
  const convolved = apply(node("Conv", "n", ["x", "w", "b"], ["y"], plain), [image, weight, bias].map(toTensor64))[0]!;
  const [, , height, width] = convolved.shape as [number, number, number, number];
  const offsets = (value: (axis: number) => number): NamedArray => {
    const area = height * width;
    return f32(
      [2, 24, height, width],
      Float32Array.from({ length: 2 * 24 * area }, (_, i) => value(Math.floor(i / area) % 2)),
    );
  };

  it("without offsets is the convolution", () => {
    const y = run("DeformConv", [image, weight, offsets(() => 0), bias]);
    expect(y.shape).toEqual(convolved.shape);
    y.data.forEach((value, i) => {
      expect(value).toBeCloseTo(convolved.data[i]!, 9);
    });
  });

  it("moved by half a pixel sees the mean of two pixels, and half of what lies at the edge", () => {
    const y = run("DeformConv", [image, weight, offsets((axis) => (axis === 1 ? 0.5 : 0)), bias]);
    const source = toTensor64(image);
    const moved = tensor64(
      source.shape,
      source.data.map((value, i) => (value + (i % 6 < 5 ? source.data[i + 1]! : 0)) / 2),
    );
    const inner = apply(node("Conv", "n", ["x", "w", "b"], ["y"], plain), [
      moved,
      toTensor64(weight),
      toTensor64(bias),
    ])[0]!;
    y.data.forEach((value, i) => {
      expect(value).toBeCloseTo(inner.data[i]!, 6);
    });
  });

  it("with a mask weighs each tap", () => {
    const mask = f32([2, 12, height, width], new Float32Array(2 * 12 * height * width).fill(0.25));
    const y = run("DeformConv", [image, weight, offsets(() => 0), undefined, mask]);
    y.data.forEach((value, i) => {
      const b = toTensor64(bias).data[Math.floor(i / (height * width)) % 6]!;
      expect(value).toBeCloseTo(0.25 * (convolved.data[i]! - b), 6);
    });
  });

  it("refuses offsets and masks of other shapes", () => {
    expect(() => run("DeformConv", [image, weight, x(2, 12, height, width)])).toThrow(/offset along axis 1 of size 24/);
    const mask = x(2, 24, height, width);
    expect(() => run("DeformConv", [image, weight, offsets(() => 0), undefined, mask])).toThrow(
      /mask along axis 1 of size 12/,
    );
  });
});

describe("operands that do not fit are refused", () => {
  const attempt =
    (op: string, inputs: readonly NamedArray[], attributes: Record<string, AttributeValue>, opset: number) => () =>
      apply(
        node(
          op,
          "n",
          inputs.map((_, i) => `i${i}`),
          ["y"],
          attributes,
          opset,
        ),
        inputs.map(toTensor64),
      );

  it.each<[string, () => unknown, RegExp]>([
    [
      "Einsum of unequal sizes",
      attempt("Einsum", [x(2, 3), x(4, 5)], { equation: string("ij,jk->ik") }, 12),
      /one size for label "j"/,
    ],
    [
      "Einsum of another rank",
      attempt("Einsum", [x(2, 3), x(4)], { equation: string("ij,jk->ik") }, 12),
      /2 axes for "jk"/,
    ],
    [
      "Einsum of a label from nowhere",
      attempt("Einsum", [x(2, 3)], { equation: string("ij->k") }, 12),
      /among the operands'/,
    ],
    ["Einsum of fewer operands", attempt("Einsum", [x(2, 3)], { equation: string("ij,jk->ik") }, 12), /2 operands/],
    ["Einsum of nonsense", attempt("Einsum", [x(2, 3)], { equation: string("i.j->k") }, 12), /an equation like/],
    [
      "MatMulInteger of unequal inner sizes",
      attempt("MatMulInteger", [bytes("u8", 2, 3), bytes("u8", 4, 5)], {}, 10),
      /MatMulInteger "n"/,
    ],
    [
      "zero points of another number",
      attempt("MatMulInteger", [bytes("u8", 2, 3), bytes("u8", 3, 5), zero("u8", 1), zero("u8", 1, 2, 3)], {}, 10),
      /b_zero_point/,
    ],
    [
      "a scale of other blocks",
      attempt("QuantizeLinear", [x(2, 6), x(2, 3)], { block_size: int(3) }, 21),
      /a scale of shape \[2, 2\]/,
    ],
    ["more sizes than axes", attempt("CenterCropPad", [x(2, 6), int64([1, 2, 3])], {}, 18), /2 sizes/],
    [
      "columns of another number",
      attempt("Col2Im", [x(1, 4, 3), int64([3, 3]), int64([2, 2])], {}, 18),
      /columns \(one a block\) of size 4/,
    ],
    [
      "an index beyond the output",
      attempt(
        "MaxUnpool",
        [x(1, 1, 1, 1), { ...int64([9]), shape: [1, 1, 1, 1] } as NamedArray],
        { kernel_shape: ints([2, 2]) },
        11,
      ),
      /indices below 4/,
    ],
    [
      "an image that is not in the batch",
      attempt("RoiAlign", [x(1, 1, 4, 4), x(1, 4), int64([1])], {}, 16),
      /batch indices below 1/,
    ],
    ["W of another size", attempt("GRU", [x(2, 1, 3), x(1, 6, 4), x(1, 6, 2)], {}, 14), /W along axis 2 of size 3/],
    ["clipping", attempt("LSTM", [x(2, 1, 3), x(1, 8, 3), x(1, 8, 2)], { clip: float(1) }, 14), /no clip/],
    ["another layout", attempt("RNN", [x(2, 1, 3), x(1, 2, 3), x(1, 2, 2)], { layout: int(1) }, 14), /layout 0/],
    [
      "a function with parameters",
      attempt("RNN", [x(2, 1, 3), x(1, 2, 3), x(1, 2, 2)], { activations: strings("Affine") }, 14),
      /activations Relu/,
    ],
  ])("%s", (_, work, message) => {
    expect(work).toThrow(message);
  });
});
