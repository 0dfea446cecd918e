import { describe, expect, it } from "vitest";
import { f32 } from "#repvgg/core/named-arrays.js";
import { fuse } from "#repvgg/engine/plan/fusion.js";
import { GraphBuilder, valueInfo } from "#repvgg/graph/build.js";
import type { Graph } from "#repvgg/graph/graph.js";
import type { SumOp } from "#repvgg/lowering/fused-op.js";
import { prepare } from "#repvgg/lowering/prepare.js";

const shape = [1, 2, 3, 3];

function fused(graph: Graph, fuseBatchNorm = true, features: readonly string[] = []) {
  return fuse({ graph: prepare(graph, { x: shape }, features), fuseBatchNorm });
}

const vector = (...values: number[]) => f32([values.length], Float32Array.from(values));
const statistics = { weight: vector(2, 1), bias: vector(1, 0), mean: vector(3, 0), variance: vector(4, 1) };
const weight = (k: number) => f32([2, 2, k, k]);

function repvggBlock(): Graph {
  const b = new GraphBuilder();
  const dense = b.batchNorm("dense.bn", b.conv("dense", "x", weight(3), { padding: 1 }), statistics, 0);
  const pointwise = b.batchNorm("pointwise.bn", b.conv("pointwise", "x", weight(1)), statistics, 0);
  const identity = b.batchNorm("identity", "x", statistics, 0);
  b.add("Relu", "y", [b.add("Add", "sum2", [b.add("Add", "sum1", [dense, pointwise]), identity])]);
  return b.graph("block", [valueInfo("x", shape)], [valueInfo("y", shape)]);
}

const summary = (op: SumOp) => op.terms.map((term) => (term.kind === "value" ? term.value : term.node.name));

describe("fuse", () => {
  it("takes a block in training form as one sum, BatchNorm folded into its convolutions", () => {
    const [op, ...rest] = fused(repvggBlock()) as SumOp[];
    expect(rest).toEqual([]);
    expect(summary(op!)).toEqual(["dense", "pointwise", "x"]);
    expect(op!.relu).toBe(true);
    for (const { affine } of op!.terms) {
      expect(affine.scale).toEqual(Float64Array.of(1, 1));
      expect(affine.shift).toEqual(Float64Array.of(1 - 3, 0));
    }
  });

  it("leaves convolutions alone where BatchNorm is not to be folded, and sums the three branches at once", () => {
    const ops = fused(repvggBlock(), false) as SumOp[];
    expect(ops.map(summary)).toEqual([["dense"], ["pointwise"], ["dense", "pointwise", "x"]]);
    expect(ops.map((op) => op.terms.map((term) => term.kind))).toEqual([
      ["convolution"],
      ["convolution"],
      Array(3).fill("value"),
    ]);
    expect(ops.map((op) => op.relu)).toEqual([false, false, true]);
  });

  it("computes a value that somebody else reads by itself", () => {
    const ops = fused(repvggBlock(), true, ["sum1"]) as SumOp[];
    expect(ops.map((op) => op.output)).toEqual(["sum1", "y"]);
    expect(summary(ops[1]!)).toEqual(["sum1", "x"]);
  });

  it("does not take in a value that is read twice", () => {
    const b = new GraphBuilder();
    b.conv("c", "x", weight(1));
    b.add("Add", "y", ["c", "c"]);
    const ops = fused(b.graph("g", [valueInfo("x", shape)], [valueInfo("y", shape)])) as SumOp[];
    expect(ops.map(summary)).toEqual([["c"], ["c", "c"]]);
  });

  it("composes chains of constant affine maps, subtraction and division included", () => {
    const b = new GraphBuilder();
    b.constant("two", f32([1, 2, 1, 1], Float32Array.of(2, 4)));
    b.constant("one", f32([], Float32Array.of(1)));
    const scaled = b.add("Mul", "scaled", ["two", "x"]);
    const shifted = b.add("Sub", "shifted", ["one", scaled]); // 1 − 2x, 1 − 4x
    b.add("Div", "y", [shifted, "two"]); // 0.5 − x, 0.25 − x
    const [op] = fused(b.graph("g", [valueInfo("x", shape)], [valueInfo("y", shape)])) as SumOp[];
    expect(summary(op!)).toEqual(["x"]);
    expect(op!.terms[0]!.affine).toEqual({ scale: Float64Array.of(-1, -1), shift: Float64Array.of(0.5, 0.25) });
  });

  it("subtracts a branch by negating its term", () => {
    const b = new GraphBuilder();
    b.add("Sub", "y", [b.conv("a", "x", weight(1)), b.conv("c", "x", weight(1))]);
    const [op] = fused(b.graph("g", [valueInfo("x", shape)], [valueInfo("y", shape)])) as SumOp[];
    expect(summary(op!)).toEqual(["a", "c"]);
    expect(op!.terms[1]!.affine.scale).toEqual(Float64Array.of(-1, -1));
  });

  it.each([
    ["Add", 2],
    ["Sub", 2],
    ["Sum", 1],
    ["Sum", 2],
    ["Sum", 3],
    ["Sum", 7],
  ])("adds the shift of a BatchNorm behind %s of %i operands once", (op, count) => {
    const b = new GraphBuilder();
    const operands = Array.from({ length: count }, (_, i) => (i % 2 ? b.conv(`c${i}`, "x", weight(1)) : "x"));
    b.add("Relu", "y", [b.batchNorm("n", b.add(op, "sum", operands), statistics, 0)]);
    const [fusedSum, ...rest] = fused(b.graph("g", [valueInfo("x", shape)], [valueInfo("y", shape)])) as SumOp[];
    expect(rest).toEqual([]);
    expect(fusedSum!.terms).toHaveLength(count);
    const shifts = fusedSum!.terms.map(({ affine }) => affine.shift ?? [0, 0]);
    expect([0, 1].map((c) => shifts.reduce((sum, shift) => sum + shift[c]!, 0))).toEqual([1 - 3, 0]);
    const scales = fusedSum!.terms.map(({ affine }) => affine.scale![0]!);
    expect(scales).toEqual(operands.map((_, i) => (op === "Sub" && i === 1 ? -1 : 1)));
  });

  it("takes any number of terms", () => {
    const b = new GraphBuilder();
    let sum = "x";
    for (let i = 0; i < 20_000; i++) sum = b.add("Add", `sum${i}`, [sum, "x"]);
    const [op] = fused(b.graph("g", [valueInfo("x", shape)], [valueInfo(sum, shape)])) as SumOp[];
    expect(op!.terms.length).toBe(20_001);
  });

  it("refuses BatchNorm in training mode", () => {
    const graph = repvggBlock();
    const nodes = graph.nodes.map((node) =>
      node.op === "BatchNormalization"
        ? { ...node, attributes: { ...node.attributes, training_mode: { type: "int", value: 1 } as const } }
        : node,
    );
    expect(() => fused({ ...graph, nodes })).toThrow(/inference mode.*"dense.bn" in training mode/);
  });
});

describe("prepare", () => {
  it("drops what does nothing and what nobody needs, and reads Constant nodes as constants", () => {
    const b = new GraphBuilder();
    b.add("Constant", "k", [], { value: { type: "tensor", value: f32([], Float32Array.of(2)) } });
    b.add("Identity", "same", ["x"]);
    b.add("Sigmoid", "dead", ["x"]);
    b.add("Mul", "y", ["same", "k"]);
    const prepared = prepare(b.graph("g", [valueInfo("x", shape)], [valueInfo("y", shape)]), { x: shape }, []);
    expect(prepared.nodes.map((node) => [node.name, node.inputs])).toEqual([["y", ["x", "k"]]]);
    expect(prepared.constants.has("k")).toBe(true);
    expect(prepared.shapes.get("y")).toEqual(shape);
  });

  it("refuses inputs of another shape than the graph declares; the batch is free", () => {
    const b = new GraphBuilder();
    b.add("Relu", "y", ["x"]);
    const graph = b.graph(
      "g",
      [valueInfo("x", ["batch", 2, "height", 3])],
      [valueInfo("y", ["batch", 2, "height", 3])],
    );
    expect(prepare(graph, { x: [5, 2, 9, 3] }, []).shapes.get("y")).toEqual([5, 2, 9, 3]);
    expect(() => prepare(graph, { x: [1, 3, 9, 3] }, [])).toThrow(
      /"x" of shape \[batch, 2, height, 3\], received \[1, 3, 9, 3\]/,
    );
    expect(() => prepare(graph, { x: [1, 2, 0, 3] }, [])).toThrow(/received \[1, 2, 0, 3\]/);
  });
});
