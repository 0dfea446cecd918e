import { describe, expect, it } from "vitest";
import type { DType, NamedArray } from "#repvgg/core/named-arrays.js";
import { f32 } from "#repvgg/core/named-arrays.js";
import { Rng } from "#repvgg/core/rng.js";
import { analyze } from "#repvgg/graph/analyze/analyze.js";
import { int, ints, tensor } from "#repvgg/graph/attributes.js";
import { int64, node, valueInfo } from "#repvgg/graph/build.js";
import { constantFolding } from "#repvgg/graph/constant-folding.js";
import { eliminateDead, eliminateNoOps } from "#repvgg/graph/eliminate.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import { toNamedArray, toTensor64 } from "#repvgg/graph/evaluate/tensor64.js";
import { fold } from "#repvgg/graph/fold.js";
import type { Graph, GraphNode } from "#repvgg/graph/graph.js";
import { validate } from "#repvgg/graph/validate.js";
import { foldAndCompare, normal, RandomNet, uniform } from "./support.js";

const as = (array: NamedArray, dtype: DType): NamedArray => toNamedArray({ ...toTensor64(array), dtype });

/** Convolution, BatchNormalization and a scale, with constants of these types. */
function typed(convolution: DType, norm: DType, declared: DType | undefined = convolution): Graph {
  const rng = new Rng(1);
  const constants: [string, NamedArray][] = [
    ["w", as(normal(rng, [3, 2, 3, 3]), convolution)],
    ["s", as(normal(rng, [3, 1, 1]), convolution)],
    ["g", as(normal(rng, [3]), norm)],
    ["b", as(normal(rng, [3]), norm)],
    ["m", as(normal(rng, [3]), norm)],
    ["v", as(uniform(rng, [3], 0.5, 1.5), norm)],
  ];
  const middle = declared === undefined ? [node("Custom", "custom", ["x"], ["hidden"])] : [];
  return {
    name: "types",
    inputs: [valueInfo("x", [1, 2, 5, 5], declared ?? "f32")],
    outputs: [valueInfo("y", [1, 3, 5, 5], declared ?? "f32")],
    nodes: [
      ...middle.map((custom) => ({ ...custom, domain: "elsewhere" })),
      node("Conv", "c", [declared === undefined ? "hidden" : "x", "w"], ["c"], { pads: ints([1, 1, 1, 1]) }),
      node("BatchNormalization", "bn", ["c", "g", "b", "m", "v"], ["n"]),
      node("Mul", "mul", ["n", "s"], ["y"]),
    ],
    initializers: new Map(constants),
  };
}

describe("the type of a new convolution's constants", () => {
  it.each<[DType, DType]>([
    ["f32", "f32"],
    ["f64", "f64"],
    ["f16", "f16"],
    ["bf16", "bf16"],
    ["f16", "f32"],
    ["bf16", "f32"],
    ["f32", "f64"],
  ])("of a convolution of %s with BatchNormalization parameters of %s is the convolution's", (convolution, norm) => {
    for (const declared of [convolution, undefined]) {
      const { graph } = fold(typed(convolution, norm, declared));
      expect(graph.nodes.at(-1)).toMatchObject({ op: "Conv", outputs: ["y"] });
      expect([...graph.initializers.values()].map(({ dtype }) => dtype)).toEqual([convolution, convolution]);
    }
  });

  it("is told by the value where only BatchNormalization has constants", () => {
    const { nodes, ...graph } = typed("f16", "f32");
    const sum: GraphNode[] = [
      node("BatchNormalization", "bn", ["x", "g2", "b2", "m2", "v2"], ["a"]),
      node("Neg", "neg", ["x"], ["b"]),
      node("Add", "sum", ["a", "b"], ["c"]),
      node("Add", "twice", ["c", "a"], ["y"]),
    ];
    const two = ["g", "b", "m", "v"].map((name): [string, NamedArray] => [
      `${name}2`,
      {
        ...graph.initializers.get(name)!,
        shape: [2],
        data: graph.initializers.get(name)!.data.slice(0, 2),
      } as NamedArray,
    ]);
    const folded = fold({ ...graph, nodes: sum, initializers: new Map(two) }).graph;
    expect(folded.nodes.map(({ op }) => op)).toEqual(["Mul", "Add"]);
    expect([...folded.initializers.values()].map(({ dtype }) => dtype)).toEqual(["f16", "f16"]);
  });
});

describe("integers are not linear", () => {
  it.each<[string, string]>([
    ["Div", "Mul"],
    ["Mul", "Div"],
    ["Add", "Mul"],
    ["Div", "Div"],
  ])("%s and %s of int64 stay", (first, second) => {
    const graph: Graph = {
      name: "integers",
      inputs: [valueInfo("x", [1, 2, 3, 4])],
      outputs: [valueInfo("y", [1, 2, 3, 4], "i64")],
      nodes: [
        node("Cast", "cast", ["x"], ["i"], { to: int(7) }),
        node(first, "first", ["i", "two"], ["a"]),
        node(second, "second", ["a", "three"], ["b"]),
        node("Add", "third", ["b", "three"], ["c"]),
        node("Sub", "fourth", ["c", "i"], ["y"]),
      ],
      initializers: new Map([
        ["two", int64([2])],
        ["three", int64([3])],
      ]),
    };
    const folded = fold(graph);
    expect(folded.graph.nodes.map(({ op }) => op)).toEqual(["Cast", first, second, "Add", "Sub"]);
    const x = new Map([["x", normal(new Rng(3), [1, 2, 3, 4], 20)]]);
    expect(evaluate(folded.graph, x)).toEqual(evaluate(graph, x));
  });

  it("nor are products of integer matrices", () => {
    const graph: Graph = {
      name: "integers",
      inputs: [valueInfo("x", [2, 3], "i32")],
      outputs: [valueInfo("y", [2, 3], "i32")],
      nodes: [node("MatMul", "a", ["x", "w"], ["t"]), node("MatMul", "b", ["t", "w"], ["y"])],
      initializers: new Map([
        ["w", { dtype: "i32", shape: [3, 3], data: Int32Array.from({ length: 9 }, (_, i) => i) }],
      ]),
    };
    expect(fold(graph).graph.nodes).toHaveLength(2);
  });
});

describe("what computes by the batch or at random stays", () => {
  const conv = (): RandomNet => {
    const net = new RandomNet(4);
    net.randomConv("c", "x", 2, 2, 1);
    return net;
  };

  it.each<[string, GraphNode["attributes"], string[], number]>([
    ["training_mode", { training_mode: int(1) }, ["y"], 15],
    ["is_test = 0", { is_test: int(0) }, ["y"], 6],
    ["five outputs", {}, ["y", "mean", "var", "saved_mean", "saved_var"], 9],
    ["spatial = 0", { spatial: int(0) }, ["y"], 7],
  ])("BatchNormalization with %s", (_, attributes, outputs, opset) => {
    const net = conv();
    net.randomBatchNorm("y", "c", 2);
    net.nodes[1] = { ...net.nodes[1]!, attributes, outputs, opset };
    if (attributes["spatial"]) {
      for (const name of net.nodes[1]!.inputs.slice(1)) net.constant(name, uniform(net.rng, [2, 4, 4], 0.5, 1.5));
    }
    const graph = net.finish([3, 2, 4, 4], "y");
    expect(fold(graph).graph.nodes.map(({ op }) => op)).toEqual(["Conv", "BatchNormalization"]);
  });

  it("Dropout in training mode, by its input and by its old attribute; not in inference", () => {
    const dropout = (mode: NamedArray | undefined, attributes: GraphNode["attributes"] = {}, opset = 13): string[] => {
      const net = conv();
      const inputs = ["c", "", net.constant("mode", mode)];
      net.add("Dropout", "d", mode ? inputs : ["c"], attributes, opset);
      net.randomBatchNorm("y", "d", 2);
      const graph = net.finish([3, 2, 4, 4], "y");
      const ops = fold(graph).graph.nodes.map(({ op }) => op);
      expect(eliminateNoOps(graph).nodes.some(({ op }) => op === "Dropout")).toBe(ops.includes("Dropout"));
      return ops;
    };
    const on = (value: number): NamedArray => ({ dtype: "bool", shape: [], data: Uint8Array.of(value) });
    expect(dropout(on(1))).toEqual(["Conv", "Dropout", "BatchNormalization"]);
    expect(dropout(undefined, { is_test: int(0) }, 6)).toEqual(["Conv", "Dropout", "BatchNormalization"]);
    expect(dropout(on(0))).toEqual(["Conv"]);
    expect(dropout(undefined)).toEqual(["Conv"]);
    expect(dropout(undefined, { is_test: int(1) }, 6)).toEqual(["Conv"]);
  });

  it("Dropout whose mode comes from the input is refused with the reason", () => {
    const net = conv();
    net.add("Dropout", "y", ["c", "", "training"]);
    const graph = net.finish([3, 2, 4, 4], "y");
    const { report } = fold({ ...graph, inputs: [...graph.inputs, valueInfo("training", [], "bool")] });
    expect(report.refusals).toMatchObject([{ node: "y", reason: expect.stringContaining("Dropout in training mode") }]);
  });
});

describe("every name is defined once", () => {
  const constant = (name: string): GraphNode =>
    node("Constant", name, [], [name], { value: tensor(f32([4], Float32Array.of(1, 2, 3, 4))) });

  it.each<[string, GraphNode[], string[]]>([
    [
      "a computed constant that is an output and is read",
      [constant("k"), node("Neg", "n", ["k"], ["a"]), node("Mul", "y", ["x", "a"], ["y"])],
      ["y", "a"],
    ],
    [
      "of a Split one part is an output, the other is read",
      [
        constant("k"),
        node("Split", "s", ["k"], ["a", "b"], { axis: int(0), split: ints([2, 2]) }),
        node("Concat", "cat", ["b", "b"], ["bb"], { axis: int(0) }),
        node("Mul", "y", ["x", "bb"], ["y"]),
      ],
      ["y", "a"],
    ],
    [
      "a Shape that is an output and is read",
      [node("Shape", "s", ["x"], ["a"]), node("Reshape", "y", ["x", "a"], ["y"])],
      ["y", "a"],
    ],
    [
      "of a node the evaluator knows one output only",
      [
        constant("k"),
        node("Reshape", "r", ["k", "four"], ["k4"]),
        node("MaxPool", "p", ["k4"], ["a", "indices"], { kernel_shape: ints([1, 1]) }),
        node("Reshape", "flat", ["a", "one"], ["b"]),
        node("Mul", "y", ["x", "b"], ["y"]),
      ],
      ["y", "indices"],
    ],
    [
      "an initializer's Identity that is an output and is read",
      [node("Identity", "i", ["w"], ["a"]), node("Mul", "y", ["x", "a"], ["y"])],
      ["y", "a"],
    ],
  ])("%s", (_, nodes, outputs) => {
    const graph: Graph = {
      name: "once",
      inputs: [valueInfo("x", [2, 4])],
      outputs: outputs.map((name) => ({ name, dtype: "f32", shape: undefined })),
      nodes,
      initializers: new Map([
        ["w", f32([4], Float32Array.of(4, 3, 2, 1))],
        ["four", int64([1, 4, 1, 1])],
        ["one", int64([4])],
      ]),
    };
    for (const pass of [
      constantFolding,
      (g: Graph) => eliminateDead(eliminateNoOps(constantFolding(g))),
      (g: Graph) => fold(g).graph,
    ]) {
      const made = pass(graph);
      validate(made);
      const defined = [...made.initializers.keys(), ...made.nodes.flatMap((each) => each.outputs)];
      expect(new Set(defined).size).toBe(defined.length);
      expect(made.outputs).toEqual(graph.outputs);
      expect(analyze(made).shapes.get("y")).toEqual([2, 4]);
      if (outputs.includes("indices")) continue; // which the evaluator lacks
      const x = new Map([["x", normal(new Rng(5), [2, 4])]]);
      expect(evaluate(made, x)).toEqual(evaluate(graph, x));
    }
  });

  it("a name that a Reshape's constant target would have may be taken by a value", () => {
    const nodes = [
      node("Shape", "shape", ["x"], ["s"]),
      node("Gather", "gather", ["s", "zero"], ["n"], { axis: int(0) }),
      node("Concat", "concat", ["n", "rest"], ["target"], { axis: int(0) }),
      node("Reshape", "reshape", ["x", "target"], ["y"]),
      node("Relu", "relu", ["y"], ["y.shape"]),
    ];
    const graph: Graph = {
      name: "taken",
      inputs: [valueInfo("x", ["n", 4])],
      outputs: [{ name: "y.shape", dtype: "f32", shape: undefined }],
      nodes,
      initializers: new Map([
        ["zero", int64([0])],
        ["rest", int64([-1])],
      ]),
    };
    const made = constantFolding(graph);
    validate(made);
    expect([...made.initializers.keys()]).toContain("y.shape_1");
  });

  it("what a region of several nodes writes has names of its own", () => {
    const net = new RandomNet(6);
    net.add("Relu", "y.product", ["x"]);
    net.add("Mul", "scaled", ["y.product", net.constant("y.weight", normal(net.rng, [4]))]);
    net.add("MatMul", "m", ["scaled", net.constant("w", normal(net.rng, [4, 3]))]);
    net.add("Add", "y", ["m", net.constant("y.bias", normal(net.rng, [3]))]);
    const pair = foldAndCompare(net.finish(["n", 5, 4], "y", "y.product"), [2, 5, 4]);
    expect(pair.exactError).toBeLessThanOrEqual(1e-9);
    expect(pair.counts).toEqual({ Relu: 1, MatMul: 1, Add: 1 });
    expect(pair.graph.nodes.map(({ name }) => name)).toEqual(["y.product", "y.product_1", "y"]);
  });
});

describe("numbers that float16 does not hold", () => {
  /** Two 1×1 convolutions in a row, of one channel: what they become has this weight and this bias. */
  const chain = (dtype: DType, weight: number, bias: number): Graph => {
    const one = (value: number): NamedArray => as(f32([1, 1, 1, 1], Float32Array.of(value)), dtype);
    const vector = (value: number): NamedArray => as(f32([1], Float32Array.of(value)), dtype);
    return {
      name: "large",
      inputs: [valueInfo("x", [1, 1, 2, 2], dtype)],
      outputs: [valueInfo("y", [1, 1, 2, 2], dtype)],
      nodes: [node("Conv", "c", ["x", "v", "a"], ["c"]), node("Conv", "y", ["c", "w", "b"], ["y"])],
      initializers: new Map([
        ["v", one(weight / 256)],
        ["a", vector(bias / 256)],
        ["w", one(256)],
        ["b", vector(0)],
      ]),
    };
  };

  it.each([
    [65_504, 0],
    [-65_504, 0],
    [65_472, 1],
    [1, 65_504],
    [1, -65_504],
  ])("weight %d and bias %d are held", (weight, bias) => {
    const { graph } = fold(chain("f16", weight, bias));
    expect(graph.nodes.map(({ op }) => op)).toEqual(["Conv"]);
    const [w, b] = graph.nodes[0]!.inputs.slice(1).map((name) => toTensor64(graph.initializers.get(name)!).data[0]);
    expect([w, b]).toEqual([weight, bias]);
  });

  it.each([
    [65_536, 0, "6.55e+4"],
    [-65_536, 0, "6.55e+4"],
    [131_072, 1, "1.31e+5"],
    [1, 65_536, "6.55e+4"],
    [1, -131_072, "1.31e+5"],
  ])(
    "weight %d and bias %d are not: the convolutions stay, unless another precision is wanted",
    (weight, bias, largest) => {
      const given = chain("f16", weight, bias);
      const { graph, report } = fold(given);
      expect(graph.nodes).toEqual(given.nodes);
      const reason = `one convolution from "x" would have numbers of ${largest}, and float16 holds up to 65504`;
      expect(report.refusals).toMatchObject([{ node: "y", op: "Conv", kind: "overflow", reason }]);
      expect(fold(given, { precision: "f32" }).graph.nodes).toHaveLength(1);
      for (const dtype of ["f32", "bf16"] as const)
        expect(fold(chain(dtype, weight, bias)).graph.nodes).toHaveLength(1);
    },
  );

  it("what is infinite already folds: no precision would hold it", () => {
    expect(fold(chain("f16", Number.POSITIVE_INFINITY, 0)).graph.nodes).toHaveLength(1);
  });
});
