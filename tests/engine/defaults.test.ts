import { describe, expect, it } from "vitest";
import { f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { Rng } from "#repvgg/core/rng.js";
import { float, int, ints, string } from "#repvgg/graph/attributes.js";
import { int64 } from "#repvgg/graph/build.js";
import type { AttributeValue } from "#repvgg/graph/graph.js";
import { normal } from "../graph/support.js";
import { engineBackends, expectCase, type NodeCase, planOfCase } from "./node-case.js";

const rng = new Rng(61);
const shape = [2, 4, 6, 5];
const x = (...sizes: number[]): NamedArray => normal(rng, sizes.length > 0 ? sizes : shape, 1);
/** Numbers beside which what normalizations add against a division by zero counts. */
const tiny = (...sizes: number[]): NamedArray => normal(rng, sizes.length > 0 ? sizes : shape, 2e-3);
const alike = (count: number): NamedArray =>
  f32(
    [count],
    Float32Array.from({ length: count }, (_, i) => 1 + i / 8),
  );

/** An operator with nothing stated but `needed`, and with each of `others` stated by itself. */
interface Row extends Omit<NodeCase, "inputs" | "attributes"> {
  readonly inputs?: NodeCase["inputs"];
  readonly needed?: Readonly<Record<string, AttributeValue>>;
  readonly others?: Readonly<Record<string, AttributeValue>>;
}

const window = { kernel_shape: ints([3, 2]) };
const image = x(1, 4, 5, 6);
const rows: readonly Row[] = [
  { op: "Elu", others: { alpha: float(0.3) } },
  { op: "Celu", others: { alpha: float(0.3) } },
  { op: "Selu", others: { alpha: float(0.3), gamma: float(0.7) } },
  { op: "ThresholdedRelu", others: { alpha: float(0.3) } },
  { op: "LeakyRelu", others: { alpha: float(0.3) } },
  { op: "HardSigmoid", others: { alpha: float(0.3), beta: float(0.1) } },
  { op: "HardSwish" },
  { op: "Gelu", opset: 20, others: { approximate: string("tanh") } },
  { op: "Softmax", others: { axis: int(1) } },
  { op: "Softmax", opset: 11, others: { axis: int(2) } },
  { op: "LogSoftmax", others: { axis: int(1) } },
  { op: "LogSoftmax", opset: 11, others: { axis: int(2) } },
  ...[1, 2, 5].map((size) => ({
    op: "LRN",
    needed: { size: int(size) },
    others: { alpha: float(0.3), beta: float(0.4), bias: float(0.6) },
    withoutOnnxRuntime: size % 2 === 0,
  })),
  { op: "LRN", needed: { size: int(3), alpha: float(0.5) }, others: { beta: float(0.4), bias: float(0.6) } },
  { op: "LpNormalization", opset: 22, others: { axis: int(1), p: int(1) }, withoutOnnxRuntime: true },
  { op: "MeanVarianceNormalization", opset: 13, others: { axes: ints([1, 2]) } },
  { op: "InstanceNormalization", inputs: [tiny(), alike(4), alike(4)], others: { epsilon: float(1e-3) } },
  { op: "LayerNormalization", inputs: [tiny(), alike(5)], others: { epsilon: float(1e-3) } },
  { op: "LayerNormalization", inputs: [tiny(), x(6, 5)], needed: { axis: int(2) }, others: { epsilon: float(1e-3) } },
  {
    op: "RMSNormalization",
    inputs: [tiny(), alike(5)],
    opset: 23,
    others: { epsilon: float(1e-3) },
    withoutOnnxRuntime: true,
  },
  ...[18, 21].map((opset) => ({
    op: "GroupNormalization",
    inputs: [tiny(), alike(opset < 21 ? 2 : 4), alike(opset < 21 ? 2 : 4)],
    needed: { num_groups: int(2) },
    others: { epsilon: float(1e-3) },
    opset,
  })),
  {
    op: "BatchNormalization",
    inputs: [tiny(), alike(4), alike(4), tiny(4), f32([4], new Float32Array(4).fill(1e-5))],
    others: { epsilon: float(1e-3) },
  },
  ...[[0], [0, 1], [0, 1, 2]].map((computed) => ({
    op: "Gemm",
    inputs: [x(4, 4), x(4, 4), x(4)],
    computed,
    others: { alpha: float(0.3), beta: float(0.6), transA: int(1), transB: int(1) },
  })),
  ...["ArgMax", "ArgMin"].map((op) => ({
    op,
    others: { axis: int(2), keepdims: int(0), select_last_index: int(1) },
    outputs: ["i64" as const],
  })),
  ..."ReduceL1,ReduceL2,ReduceLogSumExp,ReduceMax,ReduceMean,ReduceMin,ReduceSumSquare".split(",").map((op) => ({
    op,
    others: { axes: ints([1, 3]), keepdims: int(0) },
    opset: 13,
  })),
  { op: "ReduceProd", inputs: [alike(9)], opset: 13, others: { axes: ints([0]), keepdims: int(0) } },
  { op: "ReduceSum", inputs: [x(), int64([1, 3])], opset: 13, others: { keepdims: int(0) } },
  { op: "ReduceSum", inputs: [x(), int64([])], opset: 13, others: { keepdims: int(0), noop_with_empty_axes: int(1) } },
  {
    op: "TopK",
    inputs: [x(), int64([2])],
    opset: 11,
    outputs: ["f32", "i64"],
    others: { axis: int(1), largest: int(0) },
  },
  { op: "CumSum", inputs: [x(), int64([1])], opset: 14, others: { exclusive: int(1), reverse: int(1) } },
  { op: "Split", inputs: [x()], opset: 13, outputs: ["f32", "f32"], others: { axis: int(2) } },
  { op: "Flatten", others: { axis: int(2) } },
  { op: "Transpose", others: { perm: ints([0, 2, 1, 3]) } },
  { op: "DepthToSpace", needed: { blocksize: int(2) }, others: { mode: string("CRD") } },
  { op: "Gather", inputs: [x(), int64([1, 0, 1])], others: { axis: int(1) } },
  { op: "GatherElements", inputs: [x(2, 2), { ...int64([1, 0, 1, 1]), shape: [2, 2] }], others: { axis: int(1) } },
  { op: "GatherND", inputs: [x(2, 2, 3), { ...int64([1, 0]), shape: [2, 1] }], others: { batch_dims: int(1) } },
  {
    op: "ScatterElements",
    inputs: [x(3, 3), { ...int64([2, 0]), shape: [1, 2] }, x(1, 2)],
    opset: 18,
    others: { axis: int(1), reduction: string("max") },
  },
  {
    op: "ScatterND",
    inputs: [x(3, 3), { ...int64([2, 0]), shape: [2, 1] }, x(2, 3)],
    opset: 18,
    others: { reduction: string("mul") },
  },
  {
    op: "Resize",
    inputs: [image, undefined, f32([4], Float32Array.of(1, 1, 2, 3))],
    opset: 19,
    others: { mode: string("linear") },
  },
  {
    op: "Resize",
    inputs: [image, undefined, undefined, int64([1, 4, 3, 4])],
    needed: { mode: string("cubic") },
    others: { cubic_coeff_a: float(-0.5), exclude_outside: int(1), antialias: int(1) },
    opset: 19,
    withoutOnnxRuntime: true,
  },
  {
    op: "GridSample",
    inputs: [image, normal(rng, [1, 3, 4, 2], 0.7)],
    computed: [0, 1],
    opset: 20,
    others: { mode: string("nearest"), padding_mode: string("border"), align_corners: int(1) },
    withoutOnnxRuntime: true,
  },
  {
    op: "MaxPool",
    needed: window,
    others: {
      strides: ints([2, 1]),
      pads: ints([1, 0, 0, 1]),
      dilations: ints([2, 1]),
      auto_pad: string("SAME_LOWER"),
    },
  },
  { op: "MaxPool", needed: { ...window, strides: ints([2, 3]) }, others: { ceil_mode: int(1) } },
  {
    op: "AveragePool",
    needed: { ...window, pads: ints([1, 0, 1, 1]) },
    others: { strides: ints([2, 1]), count_include_pad: int(1) },
  },
  { op: "AveragePool", needed: window, others: { auto_pad: string("SAME_UPPER"), strides: ints([1, 2]) } },
  {
    op: "LpPool",
    needed: window,
    others: { p: int(1), strides: ints([2, 1]), pads: ints([1, 0, 0, 1]) },
    withoutOnnxRuntime: true,
  },
  { op: "GlobalLpPool", others: { p: int(1) } },
  {
    op: "Conv",
    inputs: [image, x(6, 4, 3, 2)],
    others: {
      strides: ints([2, 1]),
      pads: ints([1, 0, 2, 1]),
      dilations: ints([1, 2]),
      auto_pad: string("SAME_UPPER"),
    },
  },
  { op: "Conv", inputs: [image, x(6, 2, 3, 2)], needed: { group: int(2) } },
  {
    op: "ConvTranspose",
    inputs: [image, x(4, 3, 3, 2)],
    others: { strides: ints([2, 1]), pads: ints([1, 0, 0, 1]), dilations: ints([1, 2]), group: int(2) },
  },
  {
    op: "ConvTranspose",
    inputs: [image, x(4, 3, 3, 2)],
    needed: { strides: ints([2, 3]) },
    others: { output_padding: ints([1, 2]) },
  },
  { op: "Pad", inputs: [image, int64([0, 1, 1, 0, 0, 0, 2, 1])], opset: 13, others: { mode: string("edge") } },
  { op: "Clip", inputs: [x()] },
  { op: "Clip", inputs: [x(), f32([], Float32Array.of(-0.2))] },
  { op: "Clip", inputs: [x(), undefined, f32([], Float32Array.of(0.2))] },
  { op: "Squeeze", inputs: [x(1, 4, 1, 5)], opset: 13 },
  { op: "Squeeze", inputs: [x(1, 4, 1, 5), int64([-2])], opset: 13 },
];

const cases = rows.flatMap(({ inputs = [x()], needed = {}, others = {}, ...row }) =>
  [undefined, ...Object.keys(others)].map((stated): readonly [string, NodeCase] => {
    const attributes = { ...needed, ...(stated !== undefined && { [stated]: others[stated]! }) };
    const what = `opset ${row.opset ?? 17} (${(row.computed ?? [0]).length}): ${Object.keys(attributes).join(", ") || "nothing"}`;
    return [`${row.op}, ${what}`, { ...row, inputs, attributes }];
  }),
);

describe("operators of which nothing but what is needed is stated, and one attribute at a time", () => {
  it.each(cases)("%s", async (_, c) => {
    await expectCase(engineBackends[0]!.backend, c);
  });

  it("write values that are called as the graph calls them", () => {
    const convolved = new Set(["BatchNormalization", "Conv", "ConvTranspose", "Gemm"]);
    for (const [title, c] of cases.filter(([, { op }]) => !convolved.has(op))) {
      for (const { step } of planOfCase(c).steps) {
        const own = step.name === "node" ? /^(o\d|.+ \(.+\)$)/ : /^[io]\d/;
        expect(step.write.name, `${title}: ${step.op} "${step.name}"`).toMatch(own);
      }
    }
  });

  it("are more than a few", () => expect(cases.length).toBeGreaterThan(100));
});
