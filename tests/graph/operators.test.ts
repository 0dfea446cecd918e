import { describe, expect, it } from "vitest";
import { f32, type NamedArray, toFloat64 } from "#repvgg/core/named-arrays.js";
import { Rng } from "#repvgg/core/rng.js";
import { float, floats, int, ints, string } from "#repvgg/graph/attributes.js";
import { int64, node, valueInfo } from "#repvgg/graph/build.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import type { AttributeValue, Graph } from "#repvgg/graph/graph.js";
import { erf } from "#repvgg/operators/erf.js";
import { expectSameAsOnnxRuntime, type OnnxRuntimeCase, titled } from "./onnx-runtime-case.js";
import { normal, uniform, worstError } from "./support.js";

const rng = new Rng(5);
const x = (...shape: number[]): NamedArray => normal(rng, shape, 2);
const positive = (...shape: number[]): NamedArray => uniform(rng, shape, 0.1, 2);
const bool = (...values: number[]): NamedArray => ({
  dtype: "bool",
  shape: [values.length],
  data: Uint8Array.from(values),
});
const scalarInt = (value: number): NamedArray => ({ dtype: "i64", shape: [], data: BigInt64Array.of(BigInt(value)) });

const elementwise = [
  "Abs",
  "Ceil",
  "Elu",
  "Erf",
  "Exp",
  "Floor",
  "HardSigmoid",
  "HardSwish",
  "Identity",
  "LeakyRelu",
  "Neg",
  "Relu",
  "Round",
  "Sigmoid",
  "Sign",
  "Softplus",
  "Tanh",
];

const cases: OnnxRuntimeCase[] = [
  ...elementwise.map((op) => ({ op, inputs: [x(2, 3, 4)] })),
  ...["Log", "Sqrt", "Reciprocal"].map((op) => ({ op, inputs: [positive(2, 5)] })),
  ...["Add", "Sub", "Mul", "Div", "Max", "Min", "PRelu"].map((op) => ({
    op,
    what: "broadcast",
    inputs: [x(2, 3, 4, 5), x(3, 1, 5)],
  })),
  { op: "Pow", inputs: [positive(2, 3), f32([], Float32Array.of(3))] },
  { op: "Sum", inputs: [x(2, 3), x(3), x(2, 1)] },
  { op: "Mean", inputs: [x(2, 3), x(3), x(2, 1)] },
  ...["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"].map((op) => ({ op, inputs: [x(4), x(4)] })),
  ...["And", "Or"].map((op) => ({ op, inputs: [bool(0, 1, 0, 1), bool(0, 0, 1, 1)] })),
  { op: "Not", inputs: [bool(0, 1)] },
  { op: "Where", inputs: [bool(1, 0, 1), x(2, 3), x(1, 3)] },
  { op: "Clip", inputs: [x(9), f32([], Float32Array.of(-1)), f32([], Float32Array.of(1))] },
  { op: "Clip", what: "attributes", opset: 7, inputs: [x(9)], attributes: { min: float(0), max: float(6) } },
  { op: "Cast", inputs: [x(9)], attributes: { to: int(7) } },
  { op: "Gelu", opset: 20, inputs: [x(9)] },
  { op: "Gelu", what: "tanh", opset: 20, inputs: [x(9)], attributes: { approximate: string("tanh") } },
  { op: "Mish", opset: 18, inputs: [x(9)] },
  {
    op: "Conv",
    what: "2-D, everything",
    inputs: [x(2, 4, 9, 8), x(6, 2, 3, 2), x(6)],
    attributes: { group: int(2), strides: ints([2, 1]), dilations: ints([2, 1]), pads: ints([1, 0, 2, 1]) },
  },
  { op: "Conv", what: "1-D", inputs: [x(1, 3, 9), x(2, 3, 3)], attributes: { pads: ints([1, 1]) } },
  { op: "Conv", what: "3-D", inputs: [x(1, 2, 4, 5, 6), x(3, 2, 2, 3, 2)] },
  {
    op: "Conv",
    what: "SAME_UPPER",
    inputs: [x(1, 2, 7, 8), x(3, 2, 3, 4)],
    attributes: { auto_pad: string("SAME_UPPER"), strides: ints([2, 2]) },
  },
  {
    op: "Conv",
    what: "SAME_LOWER",
    inputs: [x(1, 2, 7, 8), x(3, 2, 3, 4)],
    attributes: { auto_pad: string("SAME_LOWER"), strides: ints([1, 2]) },
  },
  { op: "Conv", what: "VALID", inputs: [x(1, 2, 7, 8), x(3, 2, 3, 4)], attributes: { auto_pad: string("VALID") } },
  ...["AveragePool", "MaxPool"].flatMap((op) => [
    {
      op,
      inputs: [x(1, 2, 7, 6)],
      attributes: { kernel_shape: ints([3, 2]), strides: ints([2, 1]), pads: ints([1, 0, 1, 1]) },
    },
    {
      op,
      what: "ceil mode",
      inputs: [x(1, 2, 8, 7)],
      attributes: { kernel_shape: ints([3, 3]), strides: ints([2, 2]), ceil_mode: int(1) },
    },
  ]),
  {
    op: "AveragePool",
    what: "counting padding",
    inputs: [x(1, 2, 7, 6)],
    attributes: { kernel_shape: ints([3, 3]), pads: ints([1, 1, 1, 1]), count_include_pad: int(1) },
  },
  { op: "GlobalAveragePool", inputs: [x(2, 3, 4, 5)] },
  { op: "GlobalMaxPool", inputs: [x(2, 3, 4, 5)] },
  {
    op: "BatchNormalization",
    inputs: [x(2, 3, 2, 2), x(3), x(3), x(3), positive(3)],
    attributes: { epsilon: float(1e-3) },
  },
  { op: "LayerNormalization", inputs: [x(2, 3, 4), x(4), x(4)] },
  {
    op: "Gemm",
    inputs: [x(3, 2), x(4, 3), x(4)],
    attributes: { transA: int(1), transB: int(1), alpha: float(0.5), beta: float(2) },
  },
  { op: "MatMul", inputs: [x(2, 3), x(3, 4)] },
  { op: "MatMul", what: "batched", inputs: [x(2, 1, 3, 4), x(5, 4, 2)] },
  { op: "MatMul", what: "vector", inputs: [x(4), x(4, 2)] },
  { op: "Softmax", inputs: [x(2, 5)] },
  { op: "Softmax", what: "inner axis", inputs: [x(2, 5, 3)], attributes: { axis: int(1) } },
  { op: "LogSoftmax", inputs: [x(2, 5)] },
  { op: "ArgMax", inputs: [x(2, 5, 3)], attributes: { axis: int(1), keepdims: int(0) } },
  { op: "ReduceMean", inputs: [x(2, 3, 4, 5)], attributes: { axes: ints([2, 3]) } },
  {
    op: "ReduceMean",
    what: "axes as input",
    opset: 18,
    inputs: [x(2, 3, 4, 5), int64([-1])],
    attributes: { keepdims: int(0) },
  },
  { op: "ReduceSum", inputs: [x(2, 3)] },
  ...["ReduceMax", "ReduceMin", "ReduceProd", "ReduceL2"].map((op) => ({
    op,
    inputs: [x(2, 3, 2)],
    attributes: { axes: ints([1]) },
  })),
  { op: "Reshape", inputs: [x(2, 3, 4), int64([0, -1])] },
  { op: "Flatten", inputs: [x(2, 3, 4, 5)], attributes: { axis: int(2) } },
  { op: "Transpose", inputs: [x(2, 3, 4)], attributes: { perm: ints([2, 0, 1]) } },
  { op: "Concat", inputs: [x(2, 3, 2), x(2, 1, 2)], attributes: { axis: int(-2) } },
  { op: "Slice", inputs: [x(4, 5, 6), int64([1, -1]), int64([1000, -1000]), int64([0, 2]), int64([2, -2])] },
  { op: "Split", inputs: [x(2, 7), int64([3, 4])], attributes: { axis: int(1) }, outputs: 2 },
  { op: "Split", what: "equal", inputs: [x(6, 2)], outputs: 3 },
  {
    op: "Gather",
    inputs: [x(3, 4), { ...int64([2, 0, -1, 1]), shape: [2, 2] } as NamedArray],
    attributes: { axis: int(1) },
  },
  { op: "Gather", what: "scalar", inputs: [x(3, 4), scalarInt(1)] },
  { op: "Unsqueeze", inputs: [x(3, 4), int64([0, -1])] },
  { op: "Squeeze", inputs: [x(1, 3, 1, 4), int64([2])] },
  { op: "Squeeze", what: "all", inputs: [x(1, 3, 1, 4)] },
  { op: "Expand", inputs: [x(3, 1), int64([2, 1, 4])] },
  { op: "Tile", inputs: [x(2, 3), int64([2, 2])] },
  { op: "Pad", inputs: [x(2, 3), int64([1, 0, 0, 2]), f32([], Float32Array.of(7))] },
  ...["reflect", "edge"].map((mode) => ({
    op: "Pad",
    what: mode,
    inputs: [x(3, 4), int64([1, 2, 2, 1])],
    attributes: { mode: string(mode) },
  })),
  { op: "Shape", inputs: [x(2, 3, 4)] },
  { op: "Size", inputs: [x(2, 3, 4)] },
  { op: "ConstantOfShape", open: true, inputs: [int64([2, 3])] },
  { op: "DepthToSpace", inputs: [x(1, 8, 2, 3)], attributes: { blocksize: int(2) } },
  { op: "DepthToSpace", what: "CRD", inputs: [x(1, 8, 2, 3)], attributes: { blocksize: int(2), mode: string("CRD") } },
  { op: "Range", inputs: [scalarInt(2), scalarInt(11), scalarInt(3)] },
  {
    op: "Upsample",
    opset: 7,
    inputs: [x(1, 2, 3, 2)],
    attributes: { mode: string("nearest"), scales: floats([1, 1, 2, 3]) },
  },
  ...["half_pixel", "asymmetric", "pytorch_half_pixel", "align_corners"].flatMap((transformation) =>
    ["round_prefer_floor", "floor", "ceil"].map((rounding) => ({
      op: "Resize",
      what: `${transformation}, ${rounding}`,
      inputs: [x(1, 2, 4, 3), undefined, f32([4], Float32Array.of(1, 1, 2, 1.5))],
      attributes: {
        coordinate_transformation_mode: string(transformation),
        nearest_mode: string(rounding),
        mode: string("nearest"),
      },
    })),
  ),
  {
    op: "Resize",
    what: "sizes",
    inputs: [x(1, 2, 4, 3), undefined, undefined, int64([1, 2, 7, 6])],
    attributes: { mode: string("nearest") },
  },
];

describe("the evaluator agrees with ONNX Runtime, and shapes with both", () => {
  it.each(titled(cases))("%s", async (_, c) => {
    await expectSameAsOnnxRuntime(c);
  });

  it("BatchNormalization in training mode goes by the batch's statistics and moves the running ones", () => {
    // By hand: channel 0 holds 1, 3, 5, 7 (mean 4, variance 5), channel 1 holds 2 four times.
    const data = Float32Array.of(1, 3, 2, 2, 5, 7, 2, 2);
    const graph: Graph = {
      name: "g",
      inputs: [valueInfo("x", [2, 2, 2])],
      outputs: ["y", "mean", "variance"].map((name) => valueInfo(name, name === "y" ? [2, 2, 2] : [2])),
      nodes: [
        node("BatchNormalization", "bn", ["x", "gamma", "beta", "m", "v"], ["y", "mean", "variance"], {
          training_mode: int(1),
          momentum: float(0.75),
          epsilon: float(1),
        }),
      ],
      initializers: new Map([
        ["gamma", f32([2], Float32Array.of(2, 1))],
        ["beta", f32([2], Float32Array.of(1, 5))],
        ["m", f32([2], Float32Array.of(8, 0))],
        ["v", f32([2], Float32Array.of(1, 4))],
      ]),
    };
    const result = evaluate(graph, new Map([["x", f32([2, 2, 2], data)]]));
    const scale = 2 / Math.sqrt(5 + 1);
    const y = [-3, -1, 0, 0, 1, 3, 0, 0].map((d, at) => (at % 4 < 2 ? d * scale + 1 : 5));
    expect(worstError(result.get("y")!.data, y)).toBeLessThanOrEqual(1e-7);
    expect(Array.from(result.get("mean")!.data)).toEqual([8 * 0.75 + 4 * 0.25, 0.5]);
    expect(Array.from(result.get("variance")!.data)).toEqual([0.75 + 5 * 0.25, 3]);
  });

  it("erf is exact to float64 rounding", () => {
    // Abramowitz and Stegun, table 7.1, and two values beyond.
    for (const [at, value] of [
      [0.5, 0.5204998778130465],
      [1, 0.8427007929497149],
      [2, 0.9953222650189527],
      [2.6, 0.9997639655834707],
      [3.5, 0.9999992569016276],
    ] as const) {
      expect(erf(at)).toBeCloseTo(value, 14);
      expect(erf(-at)).toBeCloseTo(-value, 14);
    }
  });

  it("names an operator that it does not know, and a missing input", () => {
    const graph: Graph = {
      name: "g",
      inputs: [valueInfo("x", [1])],
      outputs: [valueInfo("y", [1])],
      nodes: [node("Bernoulli", "b", ["x"], ["y"])],
      initializers: new Map(),
    };
    expect(() => evaluate(graph, new Map([["x", x(1)]]))).toThrow(/Bernoulli \("b"\)/);
    expect(() => evaluate(graph, new Map())).toThrow(/input "x"/);
    const custom = { ...graph, nodes: [{ ...graph.nodes[0]!, op: "Relu", domain: "com.example" }] };
    expect(() => evaluate(custom, new Map([["x", x(1)]]))).toThrow(/com\.example\.Relu/);
    expect(toFloat64(x(3))).toHaveLength(3);
  });
});

describe("what means nothing is refused", () => {
  const refused = (op: string, inputs: readonly NamedArray[], attributes: Record<string, AttributeValue> = {}) => {
    const names = inputs.map((_, i) => `i${i}`);
    const graph: Graph = {
      name: "nonsense",
      inputs: inputs.map((input, i) => valueInfo(names[i]!, input.shape, input.dtype)),
      outputs: [valueInfo("y", [])],
      nodes: [node(op, "n", names, ["y"], attributes, 17)],
      initializers: new Map(),
    };
    return () => evaluate(graph, new Map(inputs.map((input, i) => [names[i]!, input])));
  };
  const weight = x(2, 3, 3, 3);
  const kernel = { kernel_shape: ints([2, 2]) };

  it.each<[string, readonly NamedArray[], Record<string, AttributeValue>]>([
    ["Conv", [x(1, 3, 6, 6), weight], { auto_pad: string("SAME") }],
    ["Conv", [x(1, 3, 6, 6), weight], { auto_pad: string("SAME_UPPER"), pads: ints([1, 1, 1, 1]) }],
    ["ConvTranspose", [x(1, 2, 6, 6), weight], { auto_pad: string("same_upper") }],
    ["MaxPool", [x(1, 3, 6, 6)], { ...kernel, auto_pad: string("") }],
    ["AveragePool", [x(1, 3, 6, 6)], { ...kernel, auto_pad: string("VALID"), pads: ints([0, 0, 1, 1]) }],
  ])("auto_pad of %s", (op, inputs, attributes) => {
    expect(refused(op, inputs, attributes)).toThrow(new RegExp(`expected auto_pad of ${op} "n"`));
    const zeros = { ...attributes, auto_pad: string("SAME_LOWER"), pads: ints([0, 0, 0, 0]) };
    expect(refused(op, inputs, zeros)).not.toThrow();
  });

  it("a matrix in place of a vector of sizes, axes or places", () => {
    const matrix = (...values: number[]): NamedArray => ({ ...int64(values), shape: [1, values.length] });
    expect(refused("Reshape", [x(2, 3), matrix(3, 2)])).toThrow(/a list of numbers as input 1 in Reshape "n"/);
    expect(refused("Reshape", [x(6), { ...int64([6]), shape: [] }])).toThrow(
      /a vector of sizes as target in Reshape "n"/,
    );
    expect(refused("Unsqueeze", [x(2, 3), matrix(0)])).toThrow(/a list of numbers as input 1 in Unsqueeze "n"/);
    expect(refused("Slice", [x(2, 3), int64([0]), matrix(1)])).toThrow(/a list of numbers as input 2 in Slice "n"/);
  });

  it("Celu without a scale", () => {
    expect(refused("Celu", [x(4)], { alpha: float(0) })).toThrow(/an alpha other than 0 in Celu "n", received 0/);
  });

  it("a value that nothing writes", () => {
    const graph: Graph = {
      name: "open",
      inputs: [valueInfo("x", [2])],
      outputs: [valueInfo("y", [2])],
      nodes: [node("Add", "n", ["x", "nowhere"], ["y"])],
      initializers: new Map(),
    };
    expect(() => evaluate(graph, new Map([["x", x(2)]]))).toThrow(
      /the name of a value in the graph, received "nowhere"/,
    );
  });
});
