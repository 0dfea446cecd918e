import { describe, expect, it } from "vitest";
import { UserError } from "#repvgg/core/errors.js";
import { elementCount, f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { planReport } from "#repvgg/engine/plan-report.js";
import { float, int, ints, string } from "#repvgg/graph/attributes.js";
import { int64 } from "#repvgg/graph/build.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { parameterAt } from "#repvgg/graph/operator/signature.js";
import { limits } from "#repvgg/lowering/limits.js";
import { engineOperators } from "#repvgg/lowering/registry.js";
import { operatorOf, operators } from "#repvgg/operators/registry.js";
import { type Single, singleGraph, singles } from "./fuzz/pool.js";

const backend = { lanes: 4, panelColumns: 8, microRows: 4, threads: 1, multipliesBytes: false };

/** Why the engine does not plan a graph; undefined where it does. */
function refusal({ inputs, ...rest }: Graph): string | undefined {
  const inputShapes = Object.fromEntries(inputs.map(({ name, shape }) => [name, shape as readonly number[]]));
  try {
    planReport({ inputs, ...rest }, { backend, fuseBatchNorm: true, inputShapes });
    return undefined;
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
}

const graphOf = (single: Single): Graph => singleGraph(single, false, 1);

/** The graph with one constant operand as an input. */
function computed(graph: Graph, name: string): Graph {
  const { dtype, shape } = graph.initializers.get(name)!;
  const initializers = new Map(graph.initializers);
  initializers.delete(name);
  return { ...graph, inputs: [...graph.inputs, { name, dtype, shape }], initializers };
}

const whole = (shape: readonly number[], values: readonly number[]) => ({ ...int64(values), shape }) as NamedArray;
const number = (value: number) => f32([], Float32Array.of(value));

/** Operands that the pool's forms do not have. */
const more: readonly Single[] = [
  { op: "Pad", operands: ["x", whole([2], [1, 1]), number(0), whole([1], [2])], opset: 18 },
  {
    op: "NonMaxSuppression",
    operands: ["x", [1, 2, 8], whole([], [5]), number(0.5), number(0.1)],
    shape: [1, 8, 4],
    outputs: ["i64"],
  },
  {
    op: "Resize",
    operands: ["x", f32([8], Float32Array.of(0, 0, 0, 0, 1, 1, 0.5, 0.5)), undefined, int64([2, 4, 3, 3])],
    attributes: { mode: string("linear"), coordinate_transformation_mode: string("tf_crop_and_resize") },
    opset: 18,
  },
];
/** Their indices may be computed in some forms: cases below. */
const inSomeForms = ["GatherND.indices", "Scatter.indices", "ScatterElements.indices", "ScatterND.indices"];

describe("operands that must be constant", () => {
  const refused = new Set<string>();
  const taken = new Set<string>();
  for (const single of [...singles, ...more]) {
    const graph = graphOf(single);
    const victim = graph.nodes.find(({ name }) => name === "victim")!;
    const { operator, version } = operatorOf(victim)!;
    victim.inputs.forEach((name, place) => {
      // What picks rows of whole numbers out of a constant is no case: the pool's table would become the picked value's.
      if (!graph.initializers.has(name) || (single.op === "Gather" && place === 0)) return;
      // A convolution's weights of three spatial axes: a case below.
      if (single.op === "Conv" && place === 1 && graph.inputs[0]!.shape!.length === 5) return;
      const operand = `${single.op}.${parameterAt(operator.signature(version).inputs, place)!.name}`;
      (refusal(computed(graph, name)) === undefined ? taken : refused).add(operand);
    });
  }
  const listed = Object.entries(limits).flatMap(([op, { constant = [] }]) => constant.map((name) => `${op}.${name}`));

  it("are those that are refused where they are computed", () => {
    expect([...refused].sort()).toEqual([...listed, ...inSomeForms].sort());
  });

  it("are never taken", () => {
    expect([...taken].filter((operand) => refused.has(operand))).toEqual([]);
    expect(taken.size).toBeGreaterThan(40);
  });

  it("are operands of operators that the engine has", () => {
    for (const op of Object.keys(limits)) expect(engineOperators, op).toContain(op);
    for (const op of engineOperators) expect([...operators.keys()], op).toContain(op);
  });
});

describe("what else is refused", () => {
  const image = [1, 4, 6, 6];
  const integers = { dtype: "i64", outputs: ["i64"] } as const;
  const ofBytes = { dtype: "u8", outputs: ["i32"] } as const;
  const int8 = (shape: readonly number[]): NamedArray => ({
    dtype: "i8",
    shape,
    data: new Int8Array(elementCount(shape)).fill(3),
  });
  const volume: Single = { op: "Conv", operands: ["x", [3, 2, 2, 2, 2]], shape: [1, 2, 3, 4, 3] };
  const cases: readonly (readonly [string, Single, compute?: number])[] = [
    [
      "BatchNormalization",
      {
        op: "BatchNormalization",
        operands: ["x", [4], [4], [4], f32([4], new Float32Array(4).fill(1))],
        attributes: { training_mode: int(1) },
        outputs: ["f32", "f32", "f32"],
      },
    ],
    ["Conv", volume, 1],
    ["ConvTranspose", { ...volume, op: "ConvTranspose", operands: ["x", [2, 3, 2, 2, 2]] }, 1],
    ["ConvInteger", { op: "ConvInteger", operands: ["x", int8([1, 300, 1, 1])], shape: [1, 300, 1, 1], ...ofBytes }],
    ["MatMulInteger", { op: "MatMulInteger", operands: ["x", int8([300, 2])], shape: [2, 300], ...ofBytes }],
    [
      "ConvTranspose",
      {
        op: "ConvTranspose",
        operands: ["x", [1, 1, 1, 1]],
        attributes: { strides: ints([200, 200]) },
        shape: [1, 1, 2, 2],
      },
    ],
    ["Einsum", { op: "Einsum", operands: ["x", [3], [3]], attributes: { equation: string("i,i,i->i") }, shape: [3] }],
    ["Einsum", { op: "Einsum", operands: ["x"], attributes: { equation: string("ii->i") }, shape: [3, 3] }],
    ["GatherND", { op: "GatherND", operands: ["x", whole([3, 2], [0, 1, 1, 3, -1, -2])] }, 1],
    ["GatherND", { op: "GatherND", operands: ["x", whole([2, 1], [0, 1])], attributes: { batch_dims: int(1) } }, 1],
    ["Gemm", { op: "Gemm", operands: ["x", whole([2, 2], [1, 2, 3, 4])], shape: [2, 2], ...integers }],
    ["GlobalLpPool", { op: "GlobalLpPool", operands: ["x"], attributes: { p: int(65) } }],
    ["GridSample", { op: "GridSample", operands: ["x", [1, 2, 2, 2]], shape: image, ...integers }],
    ["LayerNormalization", { op: "LayerNormalization", operands: ["x", [5, 6]] }],
    ["LpPool", { op: "LpPool", operands: ["x"], attributes: { kernel_shape: ints([2, 2]), p: int(0) } }],
    ["MatMul", { op: "MatMul", operands: ["x", whole([2, 2], [1, 2, 3, 4])], shape: [2, 2], ...integers }],
    [
      "MaxPool",
      {
        op: "MaxPool",
        operands: ["x"],
        attributes: { kernel_shape: ints([2, 2, 2]) },
        shape: [1, 1, 3, 3, 3],
        outputs: ["f32", "i64"],
      },
    ],
    [
      "NonMaxSuppression",
      {
        op: "NonMaxSuppression",
        operands: ["x", f32([1, 1, 2 ** 19 + 1]), whole([], [5])],
        shape: [1, 2 ** 19 + 1, 4],
        outputs: ["i64"],
      },
    ],
    ["RMSNormalization", { op: "RMSNormalization", operands: ["x", [5, 6]], opset: 23 }],
    ...["ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMean"].map(
      (op) => [op, { op, operands: ["x"], attributes: { axes: ints([1]) }, ...integers }] as const,
    ),
    [
      "Resize",
      {
        op: "Resize",
        operands: ["x", undefined, f32([4], Float32Array.of(1, 1, 2, 2))],
        attributes: { mode: string("linear") },
        ...integers,
      },
    ],
    [
      "Resize",
      {
        op: "Resize",
        operands: ["x", undefined, f32([4], Float32Array.of(1, 1, 1.3, 1.3))],
        attributes: {
          mode: string("linear"),
          coordinate_transformation_mode: string("align_corners"),
          cubic_coeff_a: float(-0.5),
        },
      },
    ],
    ["Scatter", { op: "Scatter", operands: ["x", whole([1, 1], [1]), [1, 1]], shape: [2, 2], opset: 9 }, 1],
    ["ScatterElements", { op: "ScatterElements", operands: ["x", whole([1, 1], [1]), [1, 1]], shape: [2, 2] }, 1],
    [
      "ScatterElements",
      {
        op: "ScatterElements",
        operands: ["x", whole([1], [1]), whole([1], [1])],
        shape: [2],
        attributes: { reduction: string("add") },
        opset: 18,
        ...integers,
      },
    ],
    ["ScatterND", { op: "ScatterND", operands: ["x", whole([1, 2], [0, 1]), [1, 5, 6]] }, 1],
    [
      "ScatterND",
      {
        op: "ScatterND",
        operands: ["x", whole([1, 1], [1]), whole([1], [1])],
        shape: [2],
        attributes: { reduction: string("mul") },
        opset: 18,
        ...integers,
      },
    ],
    ["TopK", { op: "TopK", operands: ["x", int64([2 ** 19 + 1])], shape: [2 ** 19 + 2], outputs: ["f32", "i64"] }],
    [
      "Upsample",
      {
        op: "Upsample",
        operands: ["x", f32([4], Float32Array.of(1, 1, 2, 2))],
        attributes: { mode: string("linear") },
        opset: 9,
        ...integers,
      },
    ],
  ];

  it.each(cases.map(([op, single, compute], i) => [`${op} (${i})`, op, single, compute] as const))(
    "is refused of %s, by the node's name",
    (_, op, single, compute) => {
      expect(limits[op]?.refused).toBeDefined();
      const graph = graphOf(single);
      expect(refusal(compute === undefined ? graph : computed(graph, `c${compute}`))).toMatch(/victim/);
    },
  );

  it("has a case for every operator of which something is", () => {
    const tried = new Set(cases.map(([op]) => op));
    const named = Object.entries(limits).flatMap(([op, { refused }]) => (refused === undefined ? [] : [op]));
    expect(named.filter((op) => !tried.has(op))).toEqual([]);
  });

  it("is not: computed indices of the first axis, images with computed weights", () => {
    const graphs = [
      computed(graphOf({ op: "GatherND", operands: ["x", whole([3, 1], [0, 1, 1])] }), "c1"),
      computed(graphOf({ op: "ScatterND", operands: ["x", whole([1, 1], [0]), [1, 4, 5, 6]] }), "c1"),
      computed(graphOf({ op: "ScatterElements", operands: ["x", whole([1], [0]), [1]], shape: [3] }), "c1"),
      computed(graphOf({ op: "ConvTranspose", operands: ["x", [4, 2, 2, 2]] }), "c1"),
    ];
    expect(graphs.map(refusal)).toEqual([undefined, undefined, undefined, undefined]);
  });
});
