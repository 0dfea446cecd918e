import * as ort from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backend } from "#repvgg/backend/backend.js";
import { createBackend } from "#repvgg/backend/select.node.js";
import { f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { writeOnnx } from "#repvgg/formats/onnx/model.js";
import { inferShapes } from "#repvgg/graph/analyze/analyze.js";
import { float, int, ints, string } from "#repvgg/graph/attributes.js";
import { GraphBuilder, int64, valueInfo } from "#repvgg/graph/build.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { defaultEnvelope, toOnnx } from "#repvgg/graph/to-onnx.js";
import { expectAsDefined, randomArray, randomInputs, relativeError } from "./compare.js";

interface Case {
  readonly title: string;
  readonly shape: readonly number[];
  readonly opset?: number;
  /** Names of outputs. */
  readonly build: (b: GraphBuilder) => readonly string[];
  /** ONNX Runtime lacks it, or means something else by it. */
  readonly notInOrt?: true;
}

const scalar = (b: GraphBuilder, name: string, value: number): string =>
  b.constant(name, f32([], Float32Array.of(value)));

/** One, three and five axes; channels-last values come from the convolution of images. */
const shapes: readonly (readonly number[])[] = [
  [2, 6, 4, 5],
  [1, 4, 7, 3],
  [3, 8, 1, 1],
  [2, 1, 4, 6],
  [2, 5, 6],
  [6, 4],
  [7],
  [1, 2, 4, 3, 2],
];

/** The input as a convolution leaves it: channels last. Images only; any other value as it is. */
function convolved(b: GraphBuilder, shape: readonly number[]): string {
  if (shape.length !== 4) return b.add("Sigmoid", "c", ["x"]);
  return b.conv("c", "x", randomArray(`w${shape[1]}`, [shape[1]!, shape[1]!, 1, 1]));
}

const onShapes = (
  name: string,
  build: (b: GraphBuilder, shape: readonly number[]) => readonly string[],
  more: Partial<Case> & { readonly rank?: (rank: number) => boolean } = {},
): Case[] =>
  shapes
    .filter((shape) => more.rank?.(shape.length) ?? true)
    .map((shape) => ({ ...more, title: `${name} of [${shape}]`, shape, build: (b) => build(b, shape) }));

const axesOf = (shape: readonly number[]): number[] => [...shape.keys()];

const movement: readonly Case[] = [
  ...onShapes("Transpose", (b, shape) => {
    const c = convolved(b, shape);
    const orders = [
      axesOf(shape).reverse(),
      [...axesOf(shape).slice(1), 0],
      [shape.length - 1, ...axesOf(shape).slice(0, -1)],
    ];
    const last = shape.length > 2 ? [0, ...axesOf(shape).slice(2), 1] : axesOf(shape);
    return [
      b.add("Transpose", "t", [c]),
      ...[...orders, last].map((order, i) => b.add("Transpose", `t${i}`, [c], { perm: ints(order) })),
      b.add("Transpose", "plain", ["x"], { perm: ints(orders[1]!) }),
      b.add("Add", "after", [b.add("Transpose", "twice", ["t1"], { perm: ints(orders[2]!) }), c]),
    ];
  }),
  ...onShapes("Slice", (b, shape) => {
    const c = convolved(b, shape);
    const slice = (name: string, starts: number[], ends: number[], axes: number[], steps: number[]): string =>
      b.add("Slice", name, [
        c,
        ...([starts, ends, axes, steps] as const).map((list, i) => b.constant(`${name}${i}`, int64(list))),
      ]);
    const last = shape.length - 1;
    const all = axesOf(shape);
    return [
      slice("head", [0], [1], [0], [1]),
      slice("back", [-1], [-1000], [last], [-1]),
      slice(
        "every",
        all.map(() => 0),
        all.map(() => 1000),
        all,
        all.map(() => 2),
      ),
      slice(
        "reversed",
        all.map(() => -1),
        all.map(() => -(2 ** 40)),
        all,
        all.map((a) => (a % 2 ? -1 : -2)),
      ),
      ...(shape[last]! > 1 ? [slice("inner", [1], [2 ** 40], [last], [1])] : []),
      ...(shape.length > 1 && shape[1]! > 2 ? [slice("channels", [1], [-1], [1], [1])] : []),
    ];
  }),
  ...onShapes("Split", (b, shape) => {
    const c = convolved(b, shape);
    return axesOf(shape).flatMap((axis) => {
      const size = shape[axis]!;
      if (size < 2) return [];
      b.constant(`sizes${axis}`, int64([1, size - 1]));
      const outputs = [`a${axis}`, `b${axis}`];
      b.nodes.push({
        ...{ name: `split${axis}`, op: "Split", domain: "", inputs: [c, `sizes${axis}`], outputs },
        attributes: { axis: int(axis - shape.length) },
      });
      return axis % 2 ? outputs : outputs.slice(1);
    });
  }),
  ...onShapes("Expand and Tile", (b, shape) => {
    const c = convolved(b, shape);
    b.constant("larger", int64([2, ...shape]));
    b.constant("same", int64(shape.map(() => 1)));
    b.constant("times", int64(shape.map((_, axis) => (axis % 3) + 1)));
    const mean = b.add("ReduceMean", "mean", [c], { axes: ints([shape.length - 1]), keepdims: int(1) });
    b.constant("full", int64(shape));
    return [
      b.add("Expand", "grown", [c, "larger"]),
      b.add("Expand", "kept", [c, "same"]),
      b.add("Expand", "spread", [mean, "full"]),
      b.add("Tile", "tiled", [c, "times"]),
    ];
  }),
  ...onShapes("Concat with constants", (b, shape) => {
    const c = convolved(b, shape);
    return axesOf(shape).map((axis) => {
      const own = shape.with(axis, 3);
      b.constant(`k${axis}`, randomArray(`k${axis}`, own));
      b.constant(`none${axis}`, f32(shape.with(axis, 0), new Float32Array(0)));
      return b.add("Concat", `joined${axis}`, [c, `none${axis}`, `k${axis}`, "x", c], { axis: int(axis) });
    });
  }),
  ...onShapes("Gather", (b, shape) => {
    const c = convolved(b, shape);
    return axesOf(shape).flatMap((axis) => {
      const size = shape[axis]!;
      b.constant(`one${axis}`, { dtype: "i64", shape: [], data: BigInt64Array.of(-1n) });
      b.constant(`some${axis}`, int64([0, size - 1, -size, 0]));
      b.constant(`grid${axis}`, { ...int64([0, -1, size - 1, 0, 0, -1]), shape: [2, 3] });
      b.constant(`all${axis}`, int64(Array.from({ length: size }, (_, i) => size - 1 - i)));
      const take = (kind: string): string =>
        b.add("Gather", `${kind}d${axis}`, [c, `${kind}${axis}`], { axis: int(axis) });
      const where = b.add("ArgMax", `where${axis}`, [c], { axis: int(axis), keepdims: int(1) });
      return [
        ...["one", "some", "grid", "all"].map(take),
        b.add("Gather", `computed${axis}`, [c, where], { axis: int(axis) }),
        b.add("GatherElements", `elements${axis}`, [c, where], { axis: int(axis) }),
        where,
      ];
    });
  }),
  ...[
    [1, 8, 3, 2],
    [2, 12, 2, 5],
    [1, 4, 1, 1],
  ].map(
    (shape): Case => ({
      title: `DepthToSpace and back of [${shape}]`,
      shape,
      build: (b) => {
        const c = convolved(b, shape);
        const block = { blocksize: int(2) };
        return [
          b.add("DepthToSpace", "dcr", [c], block),
          b.add("DepthToSpace", "crd", ["x"], { ...block, mode: string("CRD") }),
          b.add("DepthToSpace", "crd2", [c], { ...block, mode: string("CRD") }),
          b.add("SpaceToDepth", "back", ["crd2"], block),
          b.add("SpaceToDepth", "back2", [b.add("Relu", "r", ["dcr"])], block),
        ];
      },
    }),
  ),
];

const functions: readonly Case[] = [
  ...onShapes("functions", (b, shape) => {
    const c = convolved(b, shape);
    const positive = b.add("Softplus", "positive", [c]);
    const plain = "Abs,Ceil,Cos,Elu,Erf,Exp,Floor,Mish,Neg,Round,Sign,Sin,Softplus,Softsign,Tanh".split(",");
    return [
      ...plain.filter((op) => op !== "Mish").map((op) => b.add(op, `y${op}`, [c])),
      ...["Log", "Reciprocal", "Sqrt"].map((op) => b.add(op, `y${op}`, [positive])),
      b.add("Celu", "celu", [c], { alpha: float(0.7) }),
      b.add("Elu", "elu", [c], { alpha: float(1.3) }),
      b.add("Selu", "selu", [c]),
      b.add("ThresholdedRelu", "thresholded", [c], { alpha: float(0.2) }),
      b.add("Cast", "whole", [b.add("Mul", "scaled", [c, scalar(b, "seven", 7)])], { to: int(7) }),
      b.add("Cast", "back", ["whole"], { to: int(1) }),
      b.add("Cast", "truth", ["whole"], { to: int(9) }),
      b.add("Not", "not", ["truth"]),
      b.add("IsNaN", "nan", [c]),
      ...["detect_negative", "detect_positive"].map((only) =>
        b.add("IsInf", only, [b.add("Div", `${only}Ends`, [c, scalar(b, `${only}Zero`, 0)])], { [only]: int(0) }),
      ),
    ];
  }),
  ...onShapes(
    "Gelu and Mish",
    (b, shape) => {
      const c = convolved(b, shape);
      return [
        b.add("Gelu", "gelu", [c]),
        b.add("Gelu", "tanh", [c], { approximate: string("tanh") }),
        b.add("Mish", "mish", [c]),
      ];
    },
    { opset: 20 },
  ),
];

const pairs: readonly Case[] = [
  ...onShapes("pairs", (b, shape) => {
    const c = convolved(b, shape);
    const row = b.constant("row", randomArray("row", [shape.at(-1)!]));
    const rounded = (name: string, value: string): string =>
      b.add("Round", name, [b.add("Mul", `${name}Scaled`, [value, scalar(b, `${name}Two`, 2)])]);
    const [p, q] = [rounded("p", c), rounded("q", "x")];
    const positive = b.add("Exp", "positive", [c]);
    const truth = (name: string, value: string): string => b.add("Greater", name, [value, row]);
    return [
      ...["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"].map((op) => b.add(op, `y${op}`, [p, q])),
      truth("first", c),
      truth("second", "x"),
      ...["And", "Or", "Xor"].map((op) => b.add(op, `y${op}`, ["first", "second"])),
      b.add("Pow", "power", [positive, row]),
      b.add("Pow", "square", [c, scalar(b, "two", 2)]),
      b.add("Pow", "root", [positive, scalar(b, "half", 0.5)]),
      b.add("Pow", "cube", [c, scalar(b, "three", 3)]),
      b.add("Mod", "rest", [c, positive], { fmod: int(1) }),
      b.add("Where", "chosen", ["first", c, row]),
      b.add("Where", "picked", ["first", scalar(b, "big", 100), c]),
      b.add("Where", "other", ["second", "x", c]),
    ];
  }),
  ...onShapes("whole numbers", (b, shape) => {
    const c = convolved(b, shape);
    const whole = (name: string, value: string): string =>
      b.add("Cast", name, [b.add("Mul", `${name}Scaled`, [value, scalar(b, `${name}Nine`, 9)])], { to: int(7) });
    const [p, q] = [whole("p", c), whole("q", "x")];
    b.constant("three", { dtype: "i64", shape: [], data: BigInt64Array.of(3n) });
    b.constant("minus", { dtype: "i64", shape: [], data: BigInt64Array.of(-4n) });
    return [
      b.add("Div", "quotient", [p, "three"]),
      b.add("Div", "negative", [p, "minus"]),
      b.add("Mod", "modulus", [p, "three"]),
      b.add("Mod", "modulus2", [p, "minus"]),
      b.add("Mod", "remainder", [p, "minus"], { fmod: int(1) }),
      b.add("Add", "sum", [p, q]),
      b.add("Sub", "difference", [p, "three"]),
      b.add("Mul", "product", [p, q]),
      b.add("ReduceSum", "total", [p]),
      b.add("Max", "largest", [p, q, "three"]),
    ];
  }),
  ...onShapes("any number of operands", (b, shape) => {
    const c = convolved(b, shape);
    const row = b.constant("row", randomArray("row", [shape.at(-1)!]));
    b.add("Sigmoid", "s", [c]);
    return ["Sum", "Mean", "Max", "Min"].flatMap((op) => [
      b.add(op, `${op}1`, [c]),
      b.add(op, `${op}2`, [c, "x"]),
      b.add(op, `${op}3`, [c, "x", "s"]),
      b.add(op, `${op}Row`, [row, c, "s", c, row]),
      b.add("Relu", `${op}Relu`, [b.add(op, `${op}5`, ["s", c, "x", c, "s"])]),
    ]);
  }),
  {
    title: "operands that repeat along more groups of axes than the kernels take",
    shape: [2, 1, 3, 1, 2, 1],
    build: (b) => {
      b.constant("k", randomArray("k", [1, 4, 1, 5, 1, 3]));
      const c = b.add("Greater", "c", [b.add("Add", "sum", ["x", "k"]), scalar(b, "zero", 0)]);
      return ["sum", b.add("Where", "chosen", [c, "x", "k"]), b.add("Max", "largest", ["x", "k"])];
    },
  },
];

const reductions: readonly Case[] = [
  "L1",
  "L2",
  "LogSum",
  "LogSumExp",
  "Max",
  "Mean",
  "Min",
  "Prod",
  "Sum",
  "SumSquare",
].flatMap((kind) =>
  onShapes(`Reduce${kind}`, (b, shape) => {
    const c = convolved(b, shape);
    const x = kind === "LogSum" ? b.add("Exp", "e", [c]) : c;
    const subsets = Array.from({ length: 2 ** shape.length }, (_, bits) =>
      axesOf(shape).filter((axis) => (bits >> axis) & 1),
    );
    const byInput = kind === "Sum";
    const outputs = subsets.flatMap((axes, i) =>
      [0, 1].map((keepdims) => {
        if (byInput) b.constant(`axes${i}`, int64(axes));
        return b.add(`Reduce${kind}`, `y${i}${keepdims}`, byInput ? [x, `axes${i}`] : [x], {
          ...(!byInput && axes.length > 0 && { axes: ints(axes) }),
          keepdims: int(keepdims),
        });
      }),
    );
    return outputs;
  }),
);

const extremes: readonly Case[] = onShapes("ArgMax and ArgMin", (b, shape) => {
  const c = b.add("Round", "rounded", [convolved(b, shape)]); // many are equal
  return axesOf(shape).flatMap((axis) =>
    ["ArgMax", "ArgMin"].flatMap((op) =>
      [0, 1].flatMap((keepdims) =>
        [0, 1].map((last) =>
          b.add(op, `${op}${axis}${keepdims}${last}`, [c], {
            ...{ axis: int(axis), keepdims: int(keepdims), select_last_index: int(last) },
          }),
        ),
      ),
    ),
  );
});

const softmaxes: readonly Case[] = [11, 13].flatMap((opset) =>
  onShapes(
    `Softmax and LogSoftmax of operator set ${opset}`,
    (b, shape) => {
      const c = convolved(b, shape);
      const far = b.add("Mul", "far", [c, scalar(b, "hundred", 100)]);
      return axesOf(shape).flatMap((axis) => [
        b.add("Softmax", `s${axis}`, [c], { axis: int(axis) }),
        b.add("LogSoftmax", `l${axis}`, [far], { axis: int(axis - shape.length) }),
      ]);
    },
    { opset },
  ),
);

const vector = (b: GraphBuilder, name: string, size: number): string => b.constant(name, randomArray(name, [size]));

const normalizations: readonly Case[] = [
  ...onShapes("LayerNormalization", (b, shape) => {
    const c = convolved(b, shape);
    return axesOf(shape).flatMap((axis) => {
      const row = shape.slice(axis);
      b.constant(`scale${axis}`, randomArray(`scale${axis}`, row));
      b.constant(`bias${axis}`, randomArray(`bias${axis}`, row));
      const attributes = { axis: int(axis), epsilon: float(1e-3) };
      const outputs = [`y${axis}`, `mean${axis}`, `inverse${axis}`];
      b.nodes.push({
        ...{
          name: `all${axis}`,
          op: "LayerNormalization",
          domain: "",
          inputs: [c, `scale${axis}`],
          outputs,
          attributes,
        },
      });
      return [
        ...outputs,
        b.add("LayerNormalization", `n${axis}`, [c, `scale${axis}`, `bias${axis}`], attributes),
        b.add("LayerNormalization", `p${axis}`, ["x", `scale${axis}`], attributes),
      ];
    });
  }),
  ...onShapes(
    "InstanceNormalization",
    (b, shape) => {
      const c = convolved(b, shape);
      const operands = [vector(b, "scale", shape[1]!), vector(b, "bias", shape[1]!)];
      return [
        b.add("InstanceNormalization", "n", [c, ...operands]),
        b.add("Relu", "r", [b.add("InstanceNormalization", "e", ["x", ...operands], { epsilon: float(0.1) })]),
      ];
    },
    { rank: (rank) => rank > 2 },
  ),
  ...[18, 21].flatMap((opset) =>
    [
      [2, 6, 4, 5],
      [1, 8, 7],
      [3, 4],
      [2, 4, 3, 2, 5],
    ].map(
      (shape): Case => ({
        title: `GroupNormalization of operator set ${opset} of [${shape}]`,
        shape,
        opset,
        ...(opset === 18 && { notInOrt: true as const }),
        build: (b) => {
          const c = convolved(b, shape);
          return [1, 2, shape[1]!].map((groups) => {
            const size = opset === 18 ? groups : shape[1]!;
            const operands = [vector(b, `scale${groups}`, size), vector(b, `bias${groups}`, size)];
            return b.add("GroupNormalization", `n${groups}`, [c, ...operands], { num_groups: int(groups) });
          });
        },
      }),
    ),
  ),
  ...onShapes("LpNormalization", (b, shape) => {
    const c = convolved(b, shape);
    return axesOf(shape).flatMap((axis) =>
      [1, 2].map((p) => b.add("LpNormalization", `n${axis}${p}`, [c], { axis: int(axis), p: int(p) })),
    );
  }),
  ...onShapes(
    "LRN",
    (b, shape) => {
      const c = convolved(b, shape);
      return [1, 2, 3, 5, 12].map((size) =>
        b.add("LRN", `n${size}`, [c], { size: int(size), alpha: float(0.3), beta: float(0.6), bias: float(1.2) }),
      );
    },
    { rank: (rank) => rank > 1, notInOrt: true },
  ),
  ...onShapes(
    "RMSNormalization and MeanVarianceNormalization",
    (b, shape) => {
      const c = convolved(b, shape);
      b.constant("scale", randomArray("scale", shape.slice(-1)));
      return [
        b.add("RMSNormalization", "n", [c, "scale"]),
        ...(shape.length === 4 ? [b.add("MeanVarianceNormalization", "m", [c])] : []),
        b.add("MeanVarianceNormalization", "first", [c], { axes: ints([0]) }),
      ];
    },
    { opset: 23, notInOrt: true },
  ),
];

const cases = [...movement, ...functions, ...pairs, ...reductions, ...extremes, ...softmaxes, ...normalizations];

function graphOf({ shape, opset, build }: Case): Graph {
  const b = new GraphBuilder();
  const outputs = build(b);
  const graph = b.graph("test", [valueInfo("x", shape)], []);
  const nodes = graph.nodes.map((node) => ({ ...node, ...(opset && { opset }) }));
  const inferred = inferShapes({ ...graph, nodes });
  return { ...graph, nodes, outputs: [...new Set(outputs)].map((name) => ({ ...inferred.get(name)!, name })) };
}

/** What ONNX Runtime gives. */
async function runOrt(graph: Graph, opset: number, x: NamedArray): Promise<ort.InferenceSession.OnnxValueMapType> {
  const bytes = writeOnnx(toOnnx(graph, { ...defaultEnvelope, opsetImport: [{ domain: "", version: opset }] }));
  const session = await ort.InferenceSession.create(bytes, { graphOptimizationLevel: "disabled", logSeverityLevel: 3 });
  try {
    return await session.run({ x: new ort.Tensor("float32", x.data as Float32Array, [...x.shape]) });
  } finally {
    await session.release();
  }
}

const kinds = [
  { name: "native, 1 thread", threads: 1, kernels: "native" },
  { name: "native, 3 threads", threads: 3, kernels: "native" },
  { name: "wasm, 2 threads", threads: 2, kernels: "wasm" },
] as const;

describe("operators of other people's nets", () => {
  const backends: Backend[] = [];
  beforeAll(async () => {
    for (const { threads, kernels } of kinds) backends.push(await createBackend({ threads, kernels }));
  });
  afterAll(() => {
    for (const backend of backends) backend.dispose();
  });

  it.each(cases)("$title", async (one) => {
    const graph = graphOf(one);
    const inputs = randomInputs({ x: one.shape });
    const results = backends.map((backend) => expectAsDefined(backend, graph, inputs, {}, 1e-5));
    expect(results[1]).toEqual(results[0]); // the number of threads does not show
    if (one.notInOrt) return;
    const theirs = await runOrt(graph, one.opset ?? 17, randomArray("x", one.shape));
    for (const { name } of graph.outputs) {
      expect(results[0]![name]!.shape, name).toEqual([...theirs[name]!.dims]);
      const data = Float64Array.from(theirs[name]!.data as ArrayLike<number | bigint | boolean>, Number);
      expect(relativeError(results[0]![name]!.data, data), name).toBeLessThan(1e-4);
    }
  });
});
