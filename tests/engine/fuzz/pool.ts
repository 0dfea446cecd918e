import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { elementCount, f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { Rng } from "#repvgg/core/rng.js";
import { readOnnx } from "#repvgg/formats/onnx/model.js";
import { float, floats, int, ints, string } from "#repvgg/graph/attributes.js";
import { int64, node, valueInfo } from "#repvgg/graph/build.js";
import { fromOnnx } from "#repvgg/graph/from-onnx.js";
import type { AttributeValue, Graph, GraphNode, ValueInfo } from "#repvgg/graph/graph.js";
import { normal, RandomNet } from "../../graph/support.js";
import { randomQuantizedNet } from "../../integer/random-net.js";

type Attributes = Readonly<Record<string, AttributeValue>>;

/** One node of a case: an operand is a shape (a constant), an array, the net's input, or absent. */
type Operand = readonly number[] | NamedArray | "x" | "second" | undefined;

export interface Single {
  readonly op: string;
  readonly operands: readonly Operand[];
  readonly attributes?: Attributes;
  readonly opset?: number;
  readonly outputs?: readonly NamedArray["dtype"][];
  /** Of the net's inputs. */
  readonly shape?: readonly number[];
  readonly dtype?: NamedArray["dtype"];
}

const image = [2, 4, 5, 6];
const square = [1, 4, 4, 4];

const whole = (shape: readonly number[], values: readonly number[]): NamedArray =>
  ({ ...int64(values), shape }) as NamedArray;
const truth = (shape: readonly number[]): NamedArray => ({
  dtype: "bool",
  shape,
  data: Uint8Array.from({ length: elementCount(shape) }, (_, i) => (i % 3) & 1),
});

const bytes = (shape: readonly number[]): NamedArray => ({
  dtype: "i8",
  shape,
  data: Int8Array.from({ length: elementCount(shape) }, (_, i) => ((i * 37) % 255) - 127),
});

const simple = (names: string): Single[] => names.split(" ").map((op) => ({ op, operands: ["x"] }));

/** Every operator that the engine has, in one form at least; a mutation makes others of them. */
export const singles: readonly Single[] = [
  ...simple(
    "Abs Ceil Celu Cos Elu Erf Exp Floor HardSigmoid HardSwish Identity LeakyRelu Log Neg Reciprocal Relu Round Selu",
  ),
  ...simple(
    "Sigmoid Sign Sin Softplus Softsign Sqrt Tanh ThresholdedRelu GlobalAveragePool GlobalMaxPool GlobalLpPool Dropout",
  ),
  ...simple("MeanVarianceNormalization LpNormalization Flatten Transpose Softmax LogSoftmax Clip"),
  ...["Gelu", "Swish", "Mish"].map((op): Single => ({ op, operands: ["x"], opset: 24 })),
  ...["IsInf", "IsNaN"].map((op): Single => ({ op, operands: ["x"], outputs: ["bool"] })),
  ...["Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "PRelu", "Sum", "Mean"].flatMap((op): Single[] => [
    { op, operands: ["x", [4, 1, 1]] },
    { op, operands: ["x", [1, 4, 1, 6]] },
    ...(op === "PRelu" ? [] : [{ op, operands: ["x", "second"] } as Single]),
  ]),
  { op: "Einsum", operands: ["x", [4, 3]], attributes: { equation: string("nchw,cd->ndhw") } },
  { op: "Clip", operands: ["x", "second"], shape: [1] },
  { op: "Dropout", operands: ["x"], outputs: ["f32", "bool"] },
  { op: "Mod", operands: ["x", [1]], attributes: { fmod: int(1) } },
  ...["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"].map(
    (op): Single => ({ op, operands: ["x", [4, 1, 1]], outputs: ["bool"] }),
  ),
  ...["And", "Or", "Xor"].map(
    (op): Single => ({ op, operands: ["x", truth([4, 1, 1])], dtype: "bool", outputs: ["bool"] }),
  ),
  { op: "Not", operands: ["x"], dtype: "bool", outputs: ["bool"] },
  ...["Add", "Sub", "Mul", "Div", "Mod", "Max", "Pow"].map(
    (op): Single => ({ op, operands: ["x", whole([3], [2, 3, 1])], dtype: "i64", shape: [2, 3], outputs: ["i64"] }),
  ),
  { op: "Cast", operands: ["x"], attributes: { to: int(7) }, outputs: ["i64"] },
  { op: "Cast", operands: ["x"], attributes: { to: int(9) }, outputs: ["bool"] },
  { op: "CastLike", operands: ["x", whole([1], [0])], outputs: ["i64"] },
  { op: "Clip", operands: ["x", [], []] },
  { op: "Concat", operands: ["x", "second", image], attributes: { axis: int(1) } },
  { op: "Conv", operands: ["x", [8, 4, 3, 3], [8]], attributes: { pads: ints([1, 1, 1, 1]) } },
  {
    op: "Conv",
    operands: ["x", [4, 1, 3, 3]],
    attributes: { group: int(4), strides: ints([2, 2]), dilations: ints([1, 2]) },
  },
  { op: "Conv", operands: ["x", [6, 2, 1, 3]], attributes: { group: int(2), auto_pad: string("SAME_UPPER") } },
  { op: "Conv", operands: ["x", "second"], shape: [2, 2, 3, 3], attributes: { pads: ints([1, 1, 1, 1]) } },
  { op: "Conv", operands: ["x", [3, 4, 3], [3]], attributes: { pads: ints([1, 1]) }, shape: [2, 4, 7] },
  { op: "Conv", operands: ["x", [3, 2, 2, 2, 2]], shape: [1, 2, 3, 4, 3] },
  {
    op: "ConvTranspose",
    operands: ["x", [4, 3, 3, 3], [3]],
    attributes: { strides: ints([2, 2]), pads: ints([1, 1, 1, 1]) },
  },
  {
    op: "ConvTranspose",
    operands: ["x", [4, 1, 2, 2]],
    attributes: { group: int(4), strides: ints([2, 2]), output_padding: ints([1, 0]) },
  },
  { op: "BatchNormalization", operands: ["x", [4], [4], [4], f32([4], Float32Array.of(1, 0.5, 2, 1.5))] },
  { op: "Expand", operands: ["x", int64([2, 1, 4, 5, 6])] },
  { op: "Tile", operands: ["x", int64([1, 2, 1, 2])] },
  {
    op: "Gemm",
    operands: ["x", [3, 8], [3]],
    attributes: { transB: int(1), alpha: float(0.5), beta: float(2) },
    shape: [5, 8],
  },
  { op: "Gemm", operands: ["x", "second", [5, 1]], attributes: { transA: int(1) }, shape: [5, 5] },
  { op: "MatMul", operands: ["x", [6, 3]] },
  { op: "MatMul", operands: ["x", "second"], shape: [2, 3, 4, 4] },
  { op: "GridSample", operands: ["x", [2, 3, 2, 2]], opset: 20 },
  { op: "Pad", operands: ["x", int64([0, 0, 1, 2, 0, 1, 1, -1]), []], opset: 18 },
  { op: "Pad", operands: ["x", int64([0, 0, 1, 2, 0, 0, 1, 1])], attributes: { mode: string("reflect") } },
  { op: "Pad", operands: ["x"], attributes: { pads: ints([0, 0, 1, 1, 0, 0, 1, 1]), mode: string("edge") }, opset: 9 },
  { op: "Slice", operands: ["x", int64([0, -1]), int64([3, -6]), int64([1, 3]), int64([2, -2])] },
  { op: "Slice", operands: ["x"], attributes: { starts: ints([1]), ends: ints([4]), axes: ints([2]) }, opset: 9 },
  { op: "Split", operands: ["x", int64([1, 3])], attributes: { axis: int(1) }, outputs: ["f32", "f32"] },
  {
    op: "Split",
    operands: ["x"],
    attributes: { axis: int(3), num_outputs: int(2) },
    opset: 18,
    outputs: ["f32", "f32"],
  },
  { op: "Transpose", operands: ["x"], attributes: { perm: ints([0, 2, 3, 1]) } },
  { op: "Where", operands: [truth([2, 1, 5, 1]), "x", [4, 1, 1]] },
  { op: "ArgMax", operands: ["x"], attributes: { axis: int(1), select_last_index: int(1) }, outputs: ["i64"] },
  { op: "ArgMin", operands: ["x"], attributes: { axis: int(-1), keepdims: int(0) }, outputs: ["i64"] },
  { op: "DepthToSpace", operands: ["x"], attributes: { blocksize: int(2), mode: string("CRD") } },
  { op: "SpaceToDepth", operands: ["x"], attributes: { blocksize: int(2) }, shape: square },
  { op: "Gather", operands: ["x", whole([2, 2], [0, -1, 2, 1])], attributes: { axis: int(1) } },
  { op: "Gather", operands: [[5, 3], "x"], shape: [2, 3] },
  {
    op: "GatherElements",
    operands: [
      "x",
      whole(
        [2, 1, 5, 6],
        Array.from({ length: 60 }, (_, i) => (i % 7) - 3),
      ),
    ],
    attributes: { axis: int(1) },
  },
  { op: "GatherND", operands: ["x", whole([3, 2], [0, 1, 1, 3, -1, -2])] },
  {
    op: "ScatterElements",
    operands: ["x", whole([1, 2, 1, 2], [0, 1, 2, 0]), [1, 2, 1, 2]],
    attributes: { axis: int(1) },
  },
  { op: "Scatter", operands: ["x", whole([1, 1, 1, 2], [3, 1]), [1, 1, 1, 2]], attributes: { axis: int(2) }, opset: 9 },
  {
    op: "ScatterND",
    operands: ["x", whole([2, 2], [0, 1, 1, 3]), [2, 5, 6]],
    attributes: { reduction: string("add") },
    opset: 18,
  },
  { op: "LayerNormalization", operands: ["x", [6], [6]] },
  { op: "RMSNormalization", operands: ["x", [6]], opset: 23 },
  { op: "InstanceNormalization", operands: ["x", [4], [4]] },
  { op: "GroupNormalization", operands: ["x", [2], [2]], attributes: { num_groups: int(2) }, opset: 18 },
  { op: "LRN", operands: ["x"], attributes: { size: int(3), alpha: float(0.01), bias: float(2) } },
  {
    op: "AveragePool",
    operands: ["x"],
    attributes: { kernel_shape: ints([3, 2]), pads: ints([1, 0, 1, 1]), count_include_pad: int(1) },
    opset: 19,
  },
  { op: "LpPool", operands: ["x"], attributes: { kernel_shape: ints([2, 2]), p: int(2), strides: ints([2, 1]) } },
  {
    op: "MaxPool",
    operands: ["x"],
    attributes: { kernel_shape: ints([3, 3]), strides: ints([2, 2]), pads: ints([1, 1, 1, 1]), ceil_mode: int(1) },
  },
  {
    op: "MaxPool",
    operands: ["x"],
    attributes: { kernel_shape: ints([2, 2]), dilations: ints([2, 2]) },
    outputs: ["f32", "i64"],
  },
  ...["L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare"].flatMap((kind): Single[] => [
    { op: `Reduce${kind}`, operands: ["x"], attributes: { axes: ints([2, 3]) } },
    { op: `Reduce${kind}`, operands: ["x", int64([1])], attributes: { keepdims: int(0) }, opset: 20 },
  ]),
  { op: "ReduceSum", operands: ["x", int64([0, 2])] },
  { op: "Reshape", operands: ["x", int64([0, -1, 3])] },
  { op: "Squeeze", operands: ["x", int64([0])], shape: [1, 4, 3] },
  { op: "Unsqueeze", operands: ["x", int64([0, -1])], shape: [4, 3] },
  {
    op: "Resize",
    operands: ["x", undefined, f32([4], Float32Array.of(1, 1, 2, 1.5))],
    attributes: { mode: string("linear") },
    opset: 18,
  },
  {
    op: "Resize",
    operands: ["x", undefined, undefined, int64([2, 4, 7, 3])],
    attributes: { mode: string("cubic"), antialias: int(1) },
    opset: 18,
  },
  { op: "Resize", operands: ["x", f32([4], Float32Array.of(1, 1, 2, 2))], opset: 10 },
  { op: "Upsample", operands: ["x", f32([4], Float32Array.of(1, 1, 2, 2))], opset: 9 },
  { op: "Upsample", operands: ["x"], attributes: { scales: floats([1, 1, 2, 3]), mode: string("linear") }, opset: 7 },
  { op: "CumSum", operands: ["x", whole([], [1])], attributes: { exclusive: int(1), reverse: int(1) } },
  {
    op: "NonMaxSuppression",
    operands: ["x", [1, 2, 8], whole([], [5]), f32([], Float32Array.of(0.5))],
    shape: [1, 8, 4],
    outputs: ["i64"],
  },
  { op: "TopK", operands: ["x", int64([3])], attributes: { axis: int(2), largest: int(0) }, outputs: ["f32", "i64"] },
  { op: "Softmax", operands: ["x"], attributes: { axis: int(1) } },
  { op: "DynamicQuantizeLinear", operands: ["x"], outputs: ["u8", "f32", "u8"] },
  { op: "ConvInteger", operands: ["x", bytes([3, 4, 2, 2])], dtype: "u8", outputs: ["i32"] },
  { op: "MatMulInteger", operands: ["x", bytes([6, 3])], dtype: "u8", outputs: ["i32"] },
  { op: "Softmax", operands: ["x"], attributes: { axis: int(2) }, opset: 9 },
];

/** A net of one operator, its rank-4 input as a convolution leaves it (channels last) where `behindConvolution`. */
export function singleGraph(
  { op, operands, attributes = {}, opset = 17, outputs = ["f32"], shape = image, dtype = "f32" }: Single,
  behindConvolution: boolean,
  seed: number,
): Graph {
  const rng = new Rng(seed);
  const initializers = new Map<string, NamedArray>();
  const nodes: GraphNode[] = [];
  const inputs: ValueInfo[] = [valueInfo("x", shape, dtype)];
  let source = "x";
  if (behindConvolution) {
    initializers.set("before.weight", normal(rng, [shape[1]!, shape[1]!, 1, 1]));
    nodes.push(node("Conv", "before", ["x", "before.weight"], ["before"], {}, opset));
    source = "before";
  }
  const names = operands.map((operand, i) => {
    if (operand === undefined) return "";
    if (operand === "x") return source;
    if (operand === "second") {
      inputs.push(valueInfo("second", shape, dtype));
      return "second";
    }
    initializers.set(`c${i}`, "dtype" in operand ? operand : normal(rng, operand));
    return `c${i}`;
  });
  const results = outputs.map((_, i) => `y${i}`);
  nodes.push(node(op, "victim", names, results, attributes, opset));
  const last = outputs[0] === "f32" ? "after" : undefined;
  if (last) nodes.push(node("Relu", "after", ["y0"], ["after"], {}, opset));
  return {
    name: `${op}${behindConvolution ? " behind a convolution" : ""}`,
    inputs,
    nodes,
    initializers,
    outputs: [...(last ? [last] : []), ...results].map((name, i) => ({
      name,
      dtype: outputs[last ? i - 1 : i] ?? "f32",
      shape: undefined,
    })),
  };
}

/** A net with something of everything that the passes and the fusion look into. */
function busyGraph(): Graph {
  const net = new RandomNet(1);
  net.add("Add", "sum", [net.convBn("a", "x", 4, 4, 3, { padding: 1 }), net.convBn("b", "x", 4, 4, 1)]);
  net.add("Relu", "act", ["sum"]);
  net.add("Mul", "scaled", ["act", net.constant("k", normal(net.rng, [4, 1, 1]))]);
  net.add("MaxPool", "pooled", ["scaled"], { kernel_shape: ints([2, 2]), strides: ints([2, 2]) });
  net.add("Resize", "up", ["pooled", "", net.constant("scales", f32([4], Float32Array.of(1, 1, 2, 2)))], {
    mode: string("nearest"),
    coordinate_transformation_mode: string("asymmetric"),
  });
  net.add("Concat", "cat", ["up", "scaled"], { axis: int(1) });
  net.randomConv("c", "cat", 8, 4, 3, { groups: 2, padding: 1, bias: true });
  net.add("Mul", "gated", ["c", net.add("Sigmoid", "gate", [net.add("GlobalAveragePool", "squeeze", ["c"])])]);
  net.add("Shape", "shape", ["gated"]);
  net.add("Gather", "n", ["shape", net.constant("zero", int64([0]))], { axis: int(0) });
  net.add("Concat", "target", ["n", net.constant("rest", int64([4, -1]))], { axis: int(0) });
  net.add("Reshape", "tokens", ["gated", "target"]);
  net.add("Transpose", "turned", ["tokens"], { perm: ints([0, 2, 1]) });
  net.add("MatMul", "attention", ["turned", "tokens"]);
  net.add("Softmax", "weights", ["attention"], { axis: int(-1) });
  net.add("MatMul", "mixed", ["weights", "turned"]);
  net.add("ReduceMean", "mean", ["mixed"], { axes: ints([1]), keepdims: int(0) });
  net.add("Gemm", "y", ["mean", net.constant("w", normal(net.rng, [3, 4])), net.constant("wb", normal(net.rng, [3]))], {
    transB: int(1),
  });
  return net.finish(["batch", 4, 4, 4], "y", "gated", "mean");
}

/** The net's own constants and inputs as outputs, the same value twice, a node that nobody reads. */
function oddlyWired(): Graph {
  const net = new RandomNet(2);
  net.constant("k", normal(net.rng, [3, 2]));
  net.convBn("a", "x", 4, 4, 3, { padding: 1 });
  net.add("Relu", "unread", ["a"]);
  net.add("Identity", "same", ["x"]);
  net.add("Mul", "doubled", ["k", "k"]);
  net.add("Add", "twice", ["a", "a"]);
  return net.finish([1, 4, 3, 3], "twice", "k", "x", "same", "doubled", "a");
}

const fixtures = join(import.meta.dirname, "..", "..", "fixtures");

/** Nets of other people and our own small failing ones, as far as they are small. */
function filed(mostBytes: number): Graph[] {
  return ["cases", "third-party/blocks"].flatMap((folder) =>
    readdirSync(join(fixtures, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".onnx"))
      .sort()
      .map((name) => readFileSync(join(fixtures, folder, name)))
      .filter((bytes) => bytes.length <= mostBytes)
      .flatMap((bytes) => {
        try {
          return [fromOnnx(readOnnx(bytes)).graph];
        } catch {
          return []; // a case that is meant not to be read
        }
      }),
  );
}

/** The valid (or nearly valid) nets that mutations start from. */
export const pool: readonly Graph[] = [
  ...singles.map((single, i) => singleGraph(single, false, i)),
  ...singles
    .filter(({ shape = image, dtype = "f32" }) => shape.length === 4 && dtype === "f32")
    .map((single, i) => singleGraph(single, true, i)),
  ...Array.from({ length: 8 }, busyGraph),
  ...Array.from({ length: 4 }, oddlyWired),
  ...filed(4_000),
  ...Array.from({ length: 24 }, (_, seed) => randomQuantizedNet(seed).graph),
];
