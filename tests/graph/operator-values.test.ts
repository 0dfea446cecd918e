import { describe, expect, it } from "vitest";
import { f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { Rng } from "#repvgg/core/rng.js";
import { float, floats, int, ints, string } from "#repvgg/graph/attributes.js";
import { int64, node } from "#repvgg/graph/build.js";
import { type Tensor64, tensor64 } from "#repvgg/graph/evaluate/tensor64.js";
import type { AttributeValue } from "#repvgg/graph/graph.js";
import { apply } from "#repvgg/graph/operator/apply.js";
import { expectSameAsOnnxRuntime, type OnnxRuntimeCase, titled } from "./onnx-runtime-case.js";
import { normal, uniform } from "./support.js";

const rng = new Rng(8);
const x = (...shape: number[]): NamedArray => normal(rng, shape, 2);
const positive = (...shape: number[]): NamedArray => uniform(rng, shape, 0.1, 2);
const within = (...shape: number[]): NamedArray => uniform(rng, shape, -0.9, 0.9);
const list = (...values: number[]): NamedArray => f32([values.length], Float32Array.from(values));
const number = (value: number): NamedArray => f32([], Float32Array.of(value));
const i32 = (...values: number[]): NamedArray => ({
  dtype: "i32",
  shape: [values.length],
  data: Int32Array.from(values),
});
const u8 = (...values: number[]): NamedArray => ({
  dtype: "u8",
  shape: [values.length],
  data: Uint8Array.from(values),
});
const i8 = (...values: number[]): NamedArray => ({ dtype: "i8", shape: [values.length], data: Int8Array.from(values) });
const bool = (...values: number[]): NamedArray => ({
  dtype: "bool",
  shape: [values.length],
  data: Uint8Array.from(values),
});
const whole = (value: number): NamedArray => ({ ...int64([value]), shape: [] });
const shaped = (shape: readonly number[], value: NamedArray): NamedArray => ({ ...value, shape });
/** Numbers that meet: ties, halves, zeros of both signs. */
const edges = list(-3.5, -2.5, -1.5, -0.5, -0, 0, 0.5, 1.5, 2.5, 3.5, 1, -1, 7, -7, 4);

const elementwise: OnnxRuntimeCase[] = [
  ...["Acos", "Asin", "Atanh"].map((op) => ({ op, inputs: [within(9)] })),
  ...["Asinh", "Atan", "Cos", "Cosh", "Sin", "Sinh", "Tan", "Softsign"].map((op) => ({ op, inputs: [x(9)] })),
  { op: "Acosh", inputs: [list(1, 1.5, 4)] },
  // Defaults of each attribute, and other values
  ...[
    "Celu",
    "Elu",
    "HardSigmoid",
    "LeakyRelu",
    "Selu",
    "ThresholdedRelu",
    "HardSwish",
    "Round",
    "Sign",
    "Softplus",
  ].map((op) => ({ op, what: "edges", inputs: [edges] })),
  { op: "Shrink", opset: 9, inputs: [edges] },
  { op: "Shrink", opset: 9, what: "given", inputs: [edges], attributes: { bias: float(0.25), lambd: float(1.5) } },
  ...["Celu", "Elu", "LeakyRelu", "ThresholdedRelu"].map((op) => ({
    op,
    what: "alpha",
    inputs: [edges],
    attributes: { alpha: float(0.7) },
  })),
  { op: "HardSigmoid", what: "given", inputs: [edges], attributes: { alpha: float(0.3), beta: float(0.25) } },
  { op: "Selu", what: "given", inputs: [edges], attributes: { alpha: float(1.25), gamma: float(0.75) } },
  { op: "IsNaN", inputs: [list(1, Number.NaN, Number.POSITIVE_INFINITY)] },
  { op: "Identity", inputs: [i32(1, -2)] },
  { op: "Neg", what: "int32", inputs: [i32(1, -2, 0)] },
  { op: "Abs", what: "int32", inputs: [i32(1, -2, 0)] },
  // Integers
  { op: "Div", what: "integers", inputs: [i32(7, -7, 7, -7, 6), i32(2, 2, -2, -2, 3)] },
  { op: "Div", what: "int64", inputs: [int64([7, -7]), int64([2, 2])] },
  { op: "Mod", what: "sign of the divisor", inputs: [i32(7, -7, 7, -7), i32(3, 3, -3, -3)] },
  { op: "Mod", what: "fmod of integers", inputs: [i32(7, -7, 7, -7), i32(3, 3, -3, -3)], attributes: { fmod: int(1) } },
  { op: "Mod", what: "fmod", inputs: [list(5.5, -5.5, 5.5), list(2, 2, -2)], attributes: { fmod: int(1) } },
  { op: "Pow", what: "integers", inputs: [i32(2, -3, 5), i32(3, 3, 0)] },
  { op: "Add", what: "int32 wraps", inputs: [i32(2 ** 31 - 1), i32(1)] },
  { op: "PRelu", what: "a slope for each channel", inputs: [x(1, 3, 2, 2), x(3, 1, 1)] },
  { op: "Xor", inputs: [bool(0, 1, 0, 1), bool(0, 0, 1, 1)] },
  ...["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"].map((op) => ({
    op,
    what: "ties",
    inputs: [list(1, 2, 3), list(2, 2, 2)],
  })),
  ...["Max", "Min", "Sum", "Mean"].map((op) => ({ op, opset: 8, inputs: [x(2, 3), x(3), x(2, 1)] })),
  { op: "Mean", opset: 13, what: "one", inputs: [x(3)] },
  { op: "Clip", what: "upper only", inputs: [edges, undefined, number(1)] },
  { op: "Clip", what: "lower only", inputs: [edges, number(-1)] },
  { op: "Clip", what: "integers", opset: 12, inputs: [i8(-4, 0, 9), shaped([], i8(-1)), shaped([], i8(3))] },
  { op: "Clip", what: "defaults", opset: 6, inputs: [edges] },
  ...([1, 2, 3, 5, 6, 7, 9, 11, 12, 13] as const).map((to) => ({
    op: "Cast",
    what: `to ${to}`,
    inputs: [list(0, 1.75, 3.5, 100.25)],
    attributes: { to: int(to) },
  })),
  { op: "Cast", opset: 6, inputs: [list(2.5, -2.5)], attributes: { to: int(6) } },
  { op: "Cast", what: "to bool", inputs: [list(0, -0, 0.25, -3)], attributes: { to: int(9) } },
  { op: "CastLike", inputs: [list(2.5, -2.5), i32(1)] },
  { op: "Gelu", opset: 20, what: "none", inputs: [x(9)], attributes: { approximate: string("none") } },
];

const normalizations: OnnxRuntimeCase[] = [
  // A variance near epsilon shows which epsilon is the default.
  ...[9, 14, 15].map((opset) => ({
    op: "BatchNormalization",
    opset,
    what: "default epsilon",
    inputs: [x(2, 2, 3), list(1, 2), list(0, 1), list(0.5, -1), list(1e-5, 3e-5)],
  })),
  { op: "LayerNormalization", what: "default epsilon", inputs: [uniform(rng, [3, 4], 0, 0.01), x(4), x(4)] },
  {
    op: "LayerNormalization",
    what: "statistics",
    inputs: [x(2, 3, 4), x(3, 4)],
    attributes: { axis: int(1) },
    outputs: 3,
  },
  { op: "InstanceNormalization", what: "default epsilon", inputs: [uniform(rng, [2, 3, 4], 0, 0.01), x(3), x(3)] },
  { op: "InstanceNormalization", inputs: [x(2, 3, 4, 2), x(3), x(3)], attributes: { epsilon: float(0.1) } },
  ...[18, 21].map((opset) => ({
    op: "GroupNormalization",
    opset,
    inputs: [x(2, 6, 3, 2), x(opset === 18 ? 3 : 6), x(opset === 18 ? 3 : 6)],
    attributes: { num_groups: int(3) },
  })),
  { op: "LpNormalization", inputs: [x(2, 3, 4)] },
  { op: "LpNormalization", what: "p 1", inputs: [x(2, 3, 4)], attributes: { p: int(1), axis: int(1) } },
  { op: "MeanVarianceNormalization", inputs: [x(2, 3, 4, 5)] },
  { op: "MeanVarianceNormalization", what: "axes", inputs: [x(2, 3, 4)], attributes: { axes: ints([0, 2]) } },
  { op: "LRN", inputs: [x(2, 7, 3, 2)], attributes: { size: int(3) } },
  {
    op: "LRN",
    what: "given",
    inputs: [x(2, 7, 3, 2)],
    attributes: { size: int(5), alpha: float(0.5), beta: float(0.6), bias: float(2) },
  },
  ...[12, 13].flatMap((opset) =>
    ["Softmax", "LogSoftmax", "Hardmax"].flatMap((op) => [
      { op, opset, inputs: [x(2, 3, 4)] },
      { op, opset, what: "axis 0", inputs: [x(2, 3, 4)], attributes: { axis: int(0) } },
      { op, opset, what: "axis -2", inputs: [x(2, 3, 4)], attributes: { axis: int(-2) } },
    ]),
  ),
  { op: "Hardmax", what: "ties", inputs: [shaped([2, 3], list(1, 2, 2, 3, 3, 1))] },
  { op: "QuantizeLinear", opset: 10, inputs: [edges, number(0.5), shaped([], u8(10))] },
  { op: "QuantizeLinear", what: "no zero point", inputs: [edges, number(0.5)] },
  { op: "QuantizeLinear", what: "an axis", inputs: [x(2, 3, 4), list(0.1, 0.2, 0.3), i8(1, -2, 3)] },
  { op: "QuantizeLinear", what: "saturates", inputs: [list(-1e4, 1e4), number(1), shaped([], i8(0))] },
  {
    op: "QuantizeLinear",
    what: "last axis",
    inputs: [x(2, 3), list(0.1, 0.2, 0.3), u8(1, 2, 3)],
    attributes: { axis: int(-1) },
  },
  { op: "DequantizeLinear", opset: 10, inputs: [u8(0, 10, 255), number(0.5), shaped([], u8(10))] },
  { op: "DequantizeLinear", what: "no zero point", inputs: [i8(-128, 0, 127), number(0.25)] },
  {
    op: "DequantizeLinear",
    what: "an axis",
    inputs: [shaped([3, 2], i8(1, 2, 3, 4, 5, 6)), list(0.1, 0.2, 0.3), i8(1, 2, 3)],
    attributes: { axis: int(0) },
  },
  { op: "DynamicQuantizeLinear", inputs: [x(3, 4)], outputs: 3 },
  { op: "DynamicQuantizeLinear", what: "positive", inputs: [positive(7)], outputs: 3 },
];

const windows: OnnxRuntimeCase[] = [
  ...(["AveragePool", "MaxPool"] as const).flatMap((op) => [
    {
      op,
      what: "ceil mode, padding on one side",
      inputs: [x(1, 2, 7, 8)],
      attributes: { kernel_shape: ints([3, 2]), strides: ints([3, 3]), pads: ints([0, 0, 2, 1]), ceil_mode: int(1) },
    },
    {
      op,
      what: "SAME_LOWER",
      inputs: [x(1, 2, 7, 8)],
      attributes: { kernel_shape: ints([2, 3]), strides: ints([2, 2]), auto_pad: string("SAME_LOWER") },
    },
    { op, what: "1-D", inputs: [x(2, 2, 9)], attributes: { kernel_shape: ints([4]), strides: ints([2]) } },
    {
      op,
      what: "3-D",
      inputs: [x(1, 2, 4, 5, 6)],
      attributes: { kernel_shape: ints([2, 3, 4]), pads: ints([1, 0, 1, 0, 1, 2]) },
    },
  ]),
  {
    op: "AveragePool",
    what: "padding counts, also behind, but nothing beyond it",
    opset: 19,
    inputs: [x(1, 1, 6, 7)],
    attributes: {
      kernel_shape: ints([3, 3]),
      strides: ints([2, 3]),
      pads: ints([0, 1, 2, 2]),
      ceil_mode: int(1),
      count_include_pad: int(1),
    },
  },
  {
    op: "AveragePool",
    what: "dilated",
    opset: 19,
    inputs: [x(1, 2, 8, 8)],
    attributes: { kernel_shape: ints([3, 2]), dilations: ints([2, 3]) },
  },
  {
    op: "MaxPool",
    what: "dilated",
    inputs: [x(1, 2, 8, 8)],
    attributes: { kernel_shape: ints([3, 2]), dilations: ints([2, 3]) },
  },
  ...[0, 1].map((order) => ({
    op: "MaxPool",
    what: `indices, storage order ${order}`,
    inputs: [x(2, 2, 4, 6)],
    attributes: {
      kernel_shape: ints([2, 3]),
      strides: ints([2, 2]),
      pads: ints([1, 0, 0, 1]),
      storage_order: int(order),
    },
    outputs: 2,
  })),
  {
    op: "MaxPool",
    what: "indices of equal ones",
    inputs: [shaped([1, 1, 2, 2], list(3, 3, 3, 3))],
    attributes: { kernel_shape: ints([2, 2]) },
    outputs: 2,
  },
  { op: "LpPool", inputs: [x(1, 2, 6, 7)], attributes: { kernel_shape: ints([2, 3]) } },
  {
    op: "LpPool",
    what: "p 3",
    inputs: [x(1, 2, 6, 7)],
    attributes: { kernel_shape: ints([2, 3]), p: int(3), strides: ints([2, 1]) },
  },
  { op: "GlobalLpPool", inputs: [x(2, 3, 4, 5)] },
  { op: "GlobalLpPool", what: "p 1", inputs: [x(2, 3, 4)], attributes: { p: int(1) } },
  { op: "ConvTranspose", inputs: [x(2, 4, 3, 5), x(4, 3, 3, 2), x(3)] },
  {
    op: "ConvTranspose",
    what: "everything",
    inputs: [x(1, 4, 3, 5), x(4, 3, 3, 2), x(6)],
    attributes: {
      group: int(2),
      strides: ints([2, 3]),
      dilations: ints([2, 1]),
      pads: ints([1, 0, 2, 1]),
      output_padding: ints([1, 2]),
    },
  },
  ...["SAME_UPPER", "SAME_LOWER", "VALID"].map((pad) => ({
    op: "ConvTranspose",
    what: pad,
    inputs: [x(1, 2, 3, 4), x(2, 2, 4, 3)],
    attributes: { auto_pad: string(pad), strides: ints([3, 2]) },
  })),
  ...["NOTSET", "SAME_UPPER"].map((pad) => ({
    op: "ConvTranspose",
    what: `output_shape, ${pad}`,
    inputs: [x(1, 2, 3, 4), x(2, 2, 4, 3)],
    attributes: { auto_pad: string(pad), strides: ints([2, 2]), output_shape: ints([5, 8]) },
  })),
  { op: "ConvTranspose", what: "1-D", inputs: [x(1, 2, 4), x(2, 3, 3)], attributes: { strides: ints([2]) } },
  { op: "ConvTranspose", what: "3-D", inputs: [x(1, 2, 2, 3, 2), x(2, 2, 2, 1, 3)] },
];

const matrix = (rows: number, columns: number, ...values: number[]): NamedArray =>
  shaped([rows, columns], int64(values));

const places: OnnxRuntimeCase[] = [
  ...[11, 12].flatMap((opset) =>
    ["ArgMax", "ArgMin"].map((op) => ({
      op,
      opset,
      inputs: [shaped([2, 4], list(1, 3, 3, 1, 2, 2, 2, 2))],
      attributes: { axis: int(1) },
    })),
  ),
  ...["ArgMax", "ArgMin"].map((op) => ({
    op,
    what: "the last of equal ones",
    inputs: [shaped([2, 4], list(1, 3, 3, 1, 2, 2, 2, 2))],
    attributes: { axis: int(-1), select_last_index: int(1), keepdims: int(0) },
  })),
  { op: "ArgMax", what: "default axis", inputs: [x(3, 4)] },
  ...[1, 10, 11]
    .map((opset) => ({
      op: "TopK",
      opset,
      inputs: opset === 1 ? [x(2, 5)] : [x(2, 5), int64([3])],
      attributes: opset === 1 ? { k: int(3) } : {},
      outputs: 2,
    }))
    .filter(({ opset }) => opset !== 1),
  {
    op: "TopK",
    what: "smallest, an inner axis",
    inputs: [x(3, 4, 2), int64([2])],
    attributes: { axis: int(1), largest: int(0) },
    outputs: 2,
  },
  { op: "TopK", what: "ties", inputs: [list(2, 1, 2, 1, 2), int64([4])], outputs: 2 },
  ...[
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
  ].map(([exclusive, reverse]) => ({
    op: "CumSum",
    what: `exclusive ${exclusive}, reverse ${reverse}`,
    inputs: [x(2, 3, 2), whole(1)],
    attributes: { exclusive: int(exclusive!), reverse: int(reverse!) },
  })),
  { op: "CumSum", what: "negative axis", inputs: [x(2, 3), whole(-1)] },
  { op: "GatherElements", inputs: [x(3, 4), matrix(2, 3, 0, -1, 2, 1, 2, -3)] },
  {
    op: "GatherElements",
    what: "last axis",
    inputs: [x(3, 4), matrix(3, 2, 0, -1, 3, 1, 2, -4)],
    attributes: { axis: int(1) },
  },
  { op: "GatherND", inputs: [x(3, 4, 2), matrix(2, 2, 0, -1, 2, 1)] },
  { op: "GatherND", what: "batches", inputs: [x(2, 4, 3), matrix(2, 1, 3, -2)], attributes: { batch_dims: int(1) } },
  { op: "ScatterElements", inputs: [x(3, 4), matrix(2, 3, 0, -1, 2, 1, 2, -3), x(2, 3)] },
  ...["add", "mul"].map((reduction) => ({
    op: "ScatterElements",
    what: reduction,
    inputs: [x(3, 4), matrix(2, 3, 0, 2, 2, 0, 2, 1), x(2, 3)],
    attributes: { reduction: string(reduction) },
  })),
  ...["max", "min"].map((reduction) => ({
    op: "ScatterElements",
    opset: 18,
    what: reduction,
    inputs: [x(3, 4), matrix(3, 2, 0, 2, 2, 0, 1, 1), x(3, 2)],
    attributes: { reduction: string(reduction), axis: int(1) },
  })),
  { op: "Scatter", opset: 10, inputs: [x(3, 4), matrix(1, 2, 0, 2), x(1, 2)] },
  { op: "ScatterND", inputs: [x(3, 4), matrix(2, 1, 2, 0), x(2, 4)] },
  { op: "ScatterND", what: "single elements", inputs: [x(3, 4), matrix(2, 2, 2, -1, 0, 1), x(2)] },
  {
    op: "ScatterND",
    what: "add",
    inputs: [x(3, 4), matrix(2, 1, 2, 2), x(2, 4)],
    attributes: { reduction: string("add") },
  },
  { op: "OneHot", inputs: [int64([0, -1, 2, 7]), whole(3), list(-1, 5)] },
  {
    op: "OneHot",
    what: "first axis",
    inputs: [int64([0, -1, 2]), whole(3), list(-1, 5)],
    attributes: { axis: int(0) },
  },
  ...[0, 1].map((centred) => ({
    op: "NonMaxSuppression",
    what: `centred ${centred}`,
    inputs: [uniform(rng, [2, 9, 4], 0.2, 1), uniform(rng, [2, 3, 9], 0, 1), int64([4]), list(0.3), list(0.4)],
    attributes: { center_point_box: int(centred) },
  })),
  { op: "NonMaxSuppression", what: "nothing is chosen by default", inputs: [positive(1, 3, 4), positive(1, 1, 3)] },
  { op: "Trilu", inputs: [x(2, 3, 4)] },
  { op: "Trilu", what: "lower, k", inputs: [x(4, 3), whole(-1)], attributes: { upper: int(0) } },
  { op: "Trilu", what: "upper, k", inputs: [x(4, 5), whole(2)] },
  { op: "EyeLike", inputs: [x(3, 4)] },
  { op: "EyeLike", what: "k", inputs: [x(3, 4)], attributes: { k: int(-1), dtype: int(7) } },
  { op: "NonZero", inputs: [shaped([2, 3], list(1, 0, 2, 0, 0, -3))] },
];

const shapes: OnnxRuntimeCase[] = [
  ...[
    "ReduceL1",
    "ReduceL2",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "ReduceSumSquare",
    "ReduceLogSumExp",
  ].flatMap((op): OnnxRuntimeCase[] => [
    { op, opset: 12, inputs: [x(2, 3, 4)], attributes: { axes: ints([0, -1]), keepdims: int(0) } },
    { op, opset: 18, inputs: [x(2, 3, 4), int64([1])] },
  ]),
  { op: "ReduceLogSum", inputs: [positive(2, 3, 4)], attributes: { axes: ints([1]) } },
  {
    op: "ReduceSum",
    opset: 13,
    what: "nothing",
    inputs: [x(2, 3), int64([])],
    attributes: { noop_with_empty_axes: int(1) },
  },
  { op: "Shape", opset: 15, what: "a part", inputs: [x(2, 3, 4)], attributes: { start: int(-2), end: int(2) } },
  {
    op: "ConstantOfShape",
    what: "a value",
    open: true,
    inputs: [int64([2, 2])],
    attributes: { value: { type: "tensor", value: i32(7) } },
  },
  { op: "Range", what: "downwards", inputs: [number(5), number(1), number(-1.5)], open: false },
  {
    op: "Slice",
    opset: 9,
    inputs: [x(5, 6)],
    attributes: { starts: ints([1, -4]), ends: ints([100, -1]), axes: ints([1, 0]) },
  },
  {
    op: "Slice",
    what: "backwards over the edge",
    inputs: [x(5), int64([100]), int64([-100]), int64([0]), int64([-2])],
  },
  { op: "Split", opset: 12, inputs: [x(7, 2)], attributes: { split: ints([3, 4]) }, outputs: 2 },
  { op: "Split", opset: 18, what: "unequal", inputs: [x(7, 2)], attributes: { num_outputs: int(3) }, outputs: 3 },
  { op: "Squeeze", opset: 12, inputs: [x(1, 3, 1)], attributes: { axes: ints([2]) } },
  { op: "Unsqueeze", opset: 12, inputs: [x(3, 2)], attributes: { axes: ints([0, 2]) } },
  { op: "Transpose", what: "default", inputs: [x(2, 3, 4)] },
  { op: "Flatten", what: "negative axis", inputs: [x(2, 3, 4)], attributes: { axis: int(-1) } },
  {
    op: "Reshape",
    what: "allowzero",
    inputs: [shaped([0, 3], list()), int64([3, 0])],
    attributes: { allowzero: int(1) },
  },
  { op: "Pad", opset: 10, inputs: [x(3, 4)], attributes: { pads: ints([1, 0, -1, 2]), value: float(3) } },
  { op: "Pad", opset: 18, what: "axes", inputs: [x(3, 4), int64([1, 2]), number(2), int64([-1])] },
  { op: "Pad", opset: 19, what: "wrap", inputs: [x(3, 4), int64([1, 2, 2, 3])], attributes: { mode: string("wrap") } },
  {
    op: "Pad",
    what: "cropped, then reflected",
    inputs: [x(5, 6), int64([-1, 2, 2, -1])],
    attributes: { mode: string("reflect") },
  },
  { op: "SpaceToDepth", inputs: [x(1, 2, 4, 6)], attributes: { blocksize: int(2) } },
  { op: "DepthToSpace", opset: 10, inputs: [x(1, 8, 2, 3)], attributes: { blocksize: int(2) } },
  { op: "Gemm", what: "defaults", inputs: [x(3, 2), x(2, 4)] },
  { op: "Gemm", what: "a column is added", inputs: [x(3, 2), x(2, 4), x(3, 1)], attributes: { beta: float(0.5) } },
  { op: "MatMul", what: "a vector on the right", inputs: [x(2, 3, 4), x(4)] },
  { op: "MatMul", what: "two vectors", inputs: [x(4), x(4)] },
  { op: "MatMul", what: "a batch on the right", inputs: [x(3, 4), x(2, 5, 4, 2)] },
  { op: "Where", what: "a scalar", inputs: [bool(1, 0), number(2), x(3, 2)] },
  { op: "Dropout", opset: 13, inputs: [x(2, 3)], outputs: 2 },
  { op: "Dropout", opset: 7, inputs: [x(2, 3)] },
  { op: "Dropout", opset: 13, what: "ratio 0 in training", inputs: [x(2, 3), number(0), shaped([], bool(1))] },
  { op: "Upsample", opset: 9, inputs: [x(1, 2, 3, 2), list(1, 1, 2, 1.5)] },
  {
    op: "Upsample",
    opset: 9,
    what: "linear",
    inputs: [x(1, 2, 3, 2), list(1, 1, 2, 2)],
    attributes: { mode: string("linear") },
  },
  { op: "Resize", opset: 10, inputs: [x(1, 2, 4, 4), list(1, 1, 2, 0.5)] },
  {
    op: "Resize",
    opset: 18,
    what: "axes",
    inputs: [x(1, 2, 4, 4), undefined, list(2, 1.5)],
    attributes: { axes: ints([3, 2]) },
  },
  ...["not_larger", "not_smaller"].map((policy) => ({
    op: "Resize",
    opset: 18,
    what: policy,
    inputs: [x(1, 2, 4, 6), undefined, undefined, int64([9, 10])],
    attributes: { axes: ints([2, 3]), keep_aspect_ratio_policy: string(policy) },
  })),
  {
    op: "Resize",
    opset: 18,
    what: "antialias",
    inputs: [x(1, 2, 8, 6), undefined, undefined, int64([1, 2, 3, 4])],
    attributes: { mode: string("linear"), antialias: int(1) },
  },
  {
    op: "Resize",
    what: "cubic",
    inputs: [x(1, 1, 4, 5), undefined, list(1, 1, 2, 2)],
    attributes: { mode: string("cubic"), cubic_coeff_a: float(-0.5), exclude_outside: int(1) },
  },
  {
    op: "Resize",
    what: "a crop",
    inputs: [x(1, 1, 4, 5), list(0, 0, 0.2, -0.3, 1, 1, 0.8, 1.2), undefined, int64([1, 1, 3, 6])],
    attributes: {
      mode: string("linear"),
      coordinate_transformation_mode: string("tf_crop_and_resize"),
      extrapolation_value: float(7),
    },
  },
  ...[16, 20].flatMap((opset) =>
    (opset === 16 ? ["bilinear", "nearest", "bicubic"] : ["linear", "nearest", "cubic"]).map((mode) => ({
      op: "GridSample",
      opset,
      what: mode,
      inputs: [x(1, 2, 4, 5), uniform(rng, [1, 3, 3, 2], -1.2, 1.2)],
      attributes: { mode: string(mode) },
    })),
  ),
  ...[16, 20].map((opset) => ({
    op: "GridSample",
    opset,
    what: "defaults",
    inputs: [x(1, 2, 4, 5), uniform(rng, [1, 3, 3, 2], -1.2, 1.2)],
  })),
  ...["border", "reflection"].map((padding) => ({
    op: "GridSample",
    what: padding,
    inputs: [x(1, 2, 4, 5), uniform(rng, [1, 3, 3, 2], -1.8, 1.8)],
    attributes: { padding_mode: string(padding), align_corners: int(1) },
  })),
];

describe("defaults, other values of attributes, ties and borders of versions as ONNX Runtime has them", () => {
  const cases = [...elementwise, ...normalizations, ...windows, ...places, ...shapes];
  it.each(titled(cases).map(([title, c], i) => [`${title} (${i})`, c] as const))("%s", async (_, c) => {
    await expectSameAsOnnxRuntime(c);
  });
});

describe("what ONNX Runtime does not have, by hand", () => {
  const of = (shape: readonly number[], ...values: number[]): Tensor64 =>
    tensor64(shape, Float64Array.from(values), "f32");
  const run = (
    op: string,
    opset: number,
    inputs: readonly Tensor64[],
    attributes: Record<string, AttributeValue> = {},
  ) =>
    apply(
      node(
        op,
        "here",
        inputs.map((_, i) => `i${i}`),
        ["y"],
        attributes,
        opset,
      ),
      inputs,
    ).map(({ data }) => [...data]);

  it("Swish", () => {
    const sigmoid = (v: number): number => 1 / (1 + Math.exp(-v));
    expect(run("Swish", 24, [of([2], 2, -1)])[0]).toEqual([2 * sigmoid(2), -sigmoid(-1)]);
    expect(run("Swish", 24, [of([1], 2)], { alpha: float(0.5) })[0]).toEqual([2 * sigmoid(1)]);
  });

  it("RMSNormalization", () => {
    // (3, 4): √(25/2); (0, 1): √(1/2)
    const [y] = run("RMSNormalization", 23, [of([2, 2], 3, 4, 0, 1), of([2], 2, 1)], { epsilon: float(0) });
    const expected = [6 / Math.sqrt(12.5), 4 / Math.sqrt(12.5), 0, 1 / Math.sqrt(0.5)];
    for (const [i, v] of y!.entries()) expect(v).toBeCloseTo(expected[i]!, 12);
    const [tiny] = run("RMSNormalization", 23, [of([1, 1], 0.001), of([1], 1)]);
    expect(tiny![0]).toBeCloseTo(0.001 / Math.sqrt(1e-6 + 1e-5), 12);
  });

  it("operators of sets that ONNX Runtime no longer reads", () => {
    expect(run("Add", 6, [of([2, 2], 1, 2, 3, 4), of([2], 10, 20)], { broadcast: int(1) })[0]).toEqual([
      11, 22, 13, 24,
    ]);
    expect(run("PRelu", 6, [of([2], -1, 2), of([1], 0.5)])[0]).toEqual([-0.5, 2]);
    expect(run("Cast", 1, [of([2], 2.75, -2.75)], { to: string("INT32") })[0]).toEqual([2, -2]);
    expect(run("TopK", 1, [of([3], 5, 9, 7)], { k: int(2) })).toEqual([
      [9, 7],
      [1, 2],
    ]);
    expect(run("Pad", 2, [of([2], 1, 2)], { pads: ints([1, 0]) })[0]).toEqual([0, 1, 2]);
    expect(run("Pad", 1, [of([2], 1, 2)], { paddings: ints([0, 1]), value: float(5) })[0]).toEqual([1, 2, 5]);
    expect(run("Reshape", 1, [of([2, 2], 1, 2, 3, 4)], { shape: ints([4]) })[0]).toEqual([1, 2, 3, 4]);
    expect(run("Dropout", 6, [of([2], 1, 2)], { is_test: int(1) })[0]).toEqual([1, 2]);
    expect(() => run("Dropout", 6, [of([2], 1, 2)])).toThrow(/inference/);
    expect(() => run("Dropout", 6, [of([2], 1, 2)], { is_test: int(2) })).toThrow(/0 or 1 as attribute "is_test"/);
    expect(run("Gemm", 6, [of([1, 2], 1, 2), of([2, 1], 3, 4), of([1, 1], 1)])[0]).toEqual([12]);
    const statistics = [of([1], 1), of([1], 0), of([1], 1), of([1], 3)];
    expect(
      run("BatchNormalization", 6, [of([2, 1], 1, 3), ...statistics], { is_test: int(1), epsilon: float(1) })[0],
    ).toEqual([0, 1]);
    expect(run("BatchNormalization", 6, [of([2, 1], 1, 3), ...statistics], { epsilon: float(0) })[0]).toEqual([-1, 1]);
  });

  it("attributes that say yes or no, and are read only when numbers are computed, are 0 or 1", () => {
    const [x, boxes] = [of([1, 1, 2, 2], 1, 2, 3, 4), of([1, 1, 4], 0, 0, 1, 1)];
    const number = of([], 1);
    const pooled = { kernel_shape: ints([2, 2]) };
    const kinds: readonly [string, readonly Tensor64[], string, Record<string, AttributeValue>?, number?][] = [
      ["AveragePool", [x], "count_include_pad", pooled],
      ["MaxPool", [x], "storage_order", pooled, 2],
      ["ArgMax", [x], "select_last_index"],
      ["TopK", [x, tensor64([1], Float64Array.of(1), "i64")], "largest"],
      ["CumSum", [x, tensor64([], Float64Array.of(1), "i64")], "exclusive"],
      ["CumSum", [x, tensor64([], Float64Array.of(1), "i64")], "reverse"],
      ["NonMaxSuppression", [boxes, of([1, 1, 1], 1)], "center_point_box"],
      ["Trilu", [x], "upper"],
      ["Mod", [number, number], "fmod"],
      ["Gemm", [of([1, 1], 1), of([1, 1], 1)], "transB"],
    ];
    for (const [op, inputs, name, attributes = {}, outputs = 1] of kinds) {
      const written = Array.from({ length: outputs }, (_, i) => `y${i}`);
      const apply1 = (value: number) =>
        apply(
          node(
            op,
            "here",
            inputs.map((_, i) => `i${i}`),
            written,
            { ...attributes, [name]: int(value) },
            17,
          ),
          inputs,
        );
      apply1(1);
      if (op !== "Mod") apply1(0);
      expect(() => apply1(2), op).toThrow(`expected 0 or 1 as attribute "${name}" of ${op} "here", received 2`);
    }
  });

  it("Dropout in training mode is refused, whatever tells it", () => {
    const [x, ratio, on] = [of([2], 1, 2), of([], 0.5), tensor64([], Float64Array.of(1), "bool")];
    expect(() => run("Dropout", 13, [x, ratio, on])).toThrow(/training mode, whose output is random/);
    expect(run("Dropout", 13, [x, ratio, tensor64([], Float64Array.of(0), "bool")])[0]).toEqual([1, 2]);
  });

  it("Dropout's mask is of the value's type below version 10, of bool since", () => {
    const masks = [9, 10, 13].map(
      (opset) => apply(node("Dropout", "d", ["x"], ["y", "m"], {}, opset), [of([2], 3, 4)])[1]!,
    );
    expect(masks.map(({ dtype }) => dtype)).toEqual(["f32", "bool", "bool"]);
    for (const { data } of masks) expect([...data]).toEqual([1, 1]);
  });

  it("float16 values of Cast are those that float16 holds", () => {
    expect(run("Cast", 17, [of([2], 1 / 3, 1e6)], { to: int(10) })[0]).toEqual([
      0.333251953125,
      Number.POSITIVE_INFINITY,
    ]);
    expect(run("Cast", 17, [of([1], 1 / 3)], { to: int(1) })[0]).toEqual([1 / 3]);
    expect(run("Cast", 17, [of([1], 1 / 3)], { to: int(16) })[0]).toEqual([0.333984375]);
  });

  it("LRN of an even size: one neighbour more behind", () => {
    const attributes = { size: int(2), alpha: float(2), beta: float(1), bias: float(1) };
    expect(run("LRN", 13, [of([1, 3], 1, 2, 3)], attributes)[0]).toEqual([1 / 6, 2 / 14, 3 / 10]);
  });

  it("SAME padding of a dilated kernel", () => {
    const [x, weight] = [of([1, 1, 4], 1, 2, 3, 4), of([1, 1, 2], 10, 1)];
    const dilated = (pad: string) => run("Conv", 17, [x, weight], { auto_pad: string(pad), dilations: ints([3]) })[0];
    // Three zeros in all: the odd one behind, or in front.
    expect(dilated("SAME_UPPER")).toEqual([3, 14, 20, 30]);
    expect(dilated("SAME_LOWER")).toEqual([2, 3, 14, 20]);
  });

  it("Upsample 7 takes its scales from an attribute", () => {
    expect(run("Upsample", 7, [of([1, 2], 1, 2)], { scales: floats([1, 2]) })[0]).toEqual([1, 1, 2, 2]);
  });
});
