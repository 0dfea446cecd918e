import { describe, expect, it } from "vitest";
import { f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { analyze } from "#repvgg/graph/analyze/analyze.js";
import { int } from "#repvgg/graph/attributes.js";
import { int64, node, valueInfo } from "#repvgg/graph/build.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import type { Dimension, Graph, GraphNode } from "#repvgg/graph/graph.js";

const graphOf = (
  nodes: readonly GraphNode[],
  initializers: Readonly<Record<string, NamedArray>> = {},
  shape: readonly Dimension[] = [1, 2],
): Graph => ({
  name: "g",
  inputs: [valueInfo("x", shape)],
  outputs: [{ name: "y", dtype: "f32", shape: undefined }],
  nodes,
  initializers: new Map(Object.entries(initializers)),
});

describe("analyze", () => {
  const zeros = (...shape: number[]): NamedArray =>
    f32(shape, new Float32Array(shape.reduce((n, size) => n * size, 1)));
  const constants = (nodes: readonly GraphNode[], given: Readonly<Record<string, NamedArray>>, options = {}) =>
    analyze(graphOf(nodes, given), options).constants;

  it("computes constants up to 2²⁰ elements, and larger ones of at most twice what they are made of", () => {
    const expanded = (count: number) =>
      constants([node("Expand", "e", ["one", "to"], ["y"])], { one: zeros(1), to: int64([count]) });
    expect(expanded(2 ** 20).has("y")).toBe(true);
    expect(expanded(2 ** 20 + 1).has("y")).toBe(false);
    const large = 2 ** 20 + 8;
    const tiled = (from: number, times: number) =>
      constants([node("Tile", "t", ["a", "n"], ["y"])], { a: zeros(from), n: int64([times]) }).has("y");
    expect(tiled(large, 2)).toBe(true);
    expect(tiled(large, 3)).toBe(false);
  });

  it("for shapes alone only those that may be shapes", () => {
    const negated = (count: number) =>
      constants([node("Neg", "n", ["a"], ["y"])], { a: zeros(count) }, { shapesOnly: true }).has("y");
    expect(negated(64)).toBe(true);
    expect(negated(65)).toBe(false);
  });

  it("tells the contents of vectors of up to 64 elements and of scalars, not of matrices", () => {
    const contents = (array: NamedArray) => analyze(graphOf([], { a: array })).contents.get("a");
    expect(contents(int64([2, 3]))).toEqual([2, 3]);
    expect(contents({ ...int64([7]), shape: [] })).toEqual([7]);
    expect(contents(zeros(64))).toHaveLength(64);
    expect(contents(zeros(65))).toBeUndefined();
    expect(contents(zeros(1, 2))).toBeUndefined();
  });

  it("leaves dequantized weights where it is asked to", () => {
    const given = {
      w: { dtype: "i8", shape: [2], data: Int8Array.of(1, -2) } as const,
      scale: f32([], Float32Array.of(0.5)),
    };
    const nodes = [node("DequantizeLinear", "d", ["w", "scale"], ["y"])];
    expect([...constants(nodes, given).get("y")!.data]).toEqual([0.5, -1]);
    expect(constants(nodes, given, { keepQuantized: true }).has("y")).toBe(false);
  });

  it("rounds constants to their type only beside operators that jump", () => {
    const third = { a: f32([1], Float32Array.of(1)), b: f32([1], Float32Array.of(3)) };
    const divided = node("Div", "d", ["a", "b"], ["t"]);
    expect(constants([divided], third).get("t")!.data[0]).toBe(1 / 3);
    expect(constants([divided, node("Floor", "f", ["x"], ["y"])], third).get("t")!.data[0]).toBe(Math.fround(1 / 3));
    const other = { ...node("Floor", "f", ["x"], ["y"]), domain: "com.example" };
    expect(constants([divided, other], third).get("t")!.data[0]).toBe(1 / 3);
  });

  it("carries sizes by name into shapes, and static ones as constants", () => {
    const chain = [
      node("Shape", "s", ["x"], ["shape"]),
      node("Gather", "g", ["shape", "first"], ["n"]),
      node("Concat", "c", ["n", "rest"], ["target"], { axis: int(0) }),
      node("Reshape", "r", ["x", "target"], ["y"]),
    ];
    const given = { first: int64([0]), rest: int64([-1]) };
    const open = analyze(graphOf(chain, given, ["n", 2, 3]));
    expect(open.shapes.get("y")).toEqual(["n", 6]);
    expect(open.constants.has("target")).toBe(false);
    const fixed = analyze(graphOf(chain, given, [4, 2, 3]));
    expect(fixed.shapes.get("y")).toEqual([4, 6]);
    expect([...fixed.constants.get("target")!.data]).toEqual([4, -1]);
  });

  it("takes no matrix for a list of sizes, and no real numbers", () => {
    const nodes = [
      node("Shape", "s", ["x"], ["shape"]),
      node("Reshape", "r", ["shape", "row"], ["matrix"]),
      node("Cast", "c", ["shape"], ["real"], { to: int(1) }),
      node("Cast", "d", ["shape"], ["whole"], { to: int(6) }),
    ];
    const { contents } = analyze(graphOf(nodes, { row: int64([1, -1]) }, ["n", 2]));
    expect(contents.get("shape")).toEqual(["n", 2]);
    expect(contents.get("whole")).toEqual(["n", 2]);
    expect(contents.has("matrix")).toBe(false);
    expect(contents.has("real")).toBe(false);
  });

  it("takes one number of any rank for what it is", () => {
    const low = f32([1, 1], Float32Array.of(0.5));
    const graph = graphOf([node("Clip", "c", ["x", "low"], ["y"])], { low, row: f32([1, 2], Float32Array.of(1, 2)) });
    const { contents } = analyze(graph);
    expect(contents.get("low")).toEqual([0.5]);
    expect(contents.has("row")).toBe(false);
    const x = f32([1, 2], Float32Array.of(0, 1));
    expect([...evaluate(graph, new Map([["x", x]])).get("y")!.data]).toEqual([0.5, 1]);
  });

  it("believes the file about values that no rule tells, and about no others", () => {
    const graph = graphOf([node("Bernoulli", "b", ["x"], ["t"]), node("Relu", "r", ["x"], ["y"])]);
    const valueInfos = [valueInfo("t", [5, 6]), valueInfo("y", [7])];
    const { shapes } = analyze({ ...graph, valueInfo: valueInfos });
    expect(shapes.get("t")).toEqual([5, 6]);
    expect(shapes.get("y")).toEqual([1, 2]);
  });
});
