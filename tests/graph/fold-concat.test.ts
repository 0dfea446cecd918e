import { describe, expect, it } from "vitest";
import { f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { int, ints } from "#repvgg/graph/attributes.js";
import { fold } from "#repvgg/graph/fold.js";
import type { Dimension, Graph } from "#repvgg/graph/graph.js";
import { foldAndCompare, normal, RandomNet } from "./support.js";

const [batch, inputs, channels, height, width] = [2, 3, 4, 5, 6];
const shape = [batch, inputs, height, width];
/** A convolution that computes its border too takes more multiplications. */
const dearer = { maxCost: 10 };
const bias = [0.5, -1, 2, 0.25];

/** A 1×1 convolution of 3 channels to 4, whose bias is what padding has to be to go into it. */
class PaddedNet extends RandomNet {
  constructor(kernel: readonly number[] = [1, 1]) {
    super(41);
    const weight = normal(this.rng, [channels, inputs, ...kernel]);
    const constants = [this.constant("w", weight), this.constant("b", f32([channels], Float32Array.from(bias)))];
    this.add("Conv", "c", ["x", ...constants]);
  }

  /** [batch, channels, …sizes] of the bias, but for the numbers that `but` changes. */
  around(
    name: string,
    sizes: readonly number[],
    but: (at: number, value: number) => number = (_, value) => value,
  ): string {
    const plane = sizes.reduce((product, size) => product * size, 1);
    const data = Float32Array.from({ length: batch * channels * plane }, (_, at) =>
      but(at, bias[Math.floor(at / plane) % channels]!),
    );
    return this.constant(name, f32([batch, channels, ...sizes], data));
  }
}

/** A graph of unknown input sizes, or of a wholly unknown shape: what its nodes say is all that is known. */
const withInput = (graph: Graph, input: readonly Dimension[] | undefined): Graph => ({
  ...graph,
  inputs: graph.inputs.map((value) => ({ ...value, shape: input })),
});

describe("Concat of constants around a value", () => {
  const sides = [
    [1, 0],
    [0, 2],
    [2, 1],
  ] as const;

  it.each([2, 3, -2, -1].flatMap((axis) => sides.map(([before, behind]) => [axis, before, behind] as const)))(
    "along axis %i, %i before and %i behind, is its padding",
    (axis, before, behind) => {
      const net = new PaddedNet();
      const sized = (size: number): number[] => (axis === 2 || axis === -2 ? [size, width] : [height, size]);
      const parts = [
        ...(before > 1 ? [net.around("first", sized(before - 1))] : []),
        ...(before > 0 ? [net.around("before", sized(1))] : []),
        "c",
        ...(behind > 0 ? [net.around("behind", sized(behind))] : []),
      ];
      net.add("Concat", "y", parts, { axis: int(axis) });
      const graph = net.finish(shape, "y");
      const pads = [0, 0, 0, 0];
      pads[axis === 2 || axis === -2 ? 0 : 1] = before;
      pads[axis === 2 || axis === -2 ? 2 : 3] = behind;
      const pair = foldAndCompare(graph, shape, dearer);
      expect(pair.exactError).toBeLessThanOrEqual(1e-9);
      for (const known of [shape, ["n", inputs, "h", "w"], undefined]) {
        const { nodes } = fold(withInput(graph, known), dearer).graph;
        expect(nodes).toMatchObject([{ op: "Conv", attributes: { pads: ints(pads) } }]);
      }
    },
  );

  it("is none where one number of them is another one", () => {
    const count = batch * channels * width;
    for (const changed of [0, width - 1, width, count - 1]) {
      const net = new PaddedNet();
      const part = net.around("part", [1, width], (at, value) => (at === changed ? value + 1 : value));
      net.add("Concat", "y", ["c", part], { axis: int(2) });
      const pair = foldAndCompare(net.finish(shape, "y"), shape, dearer);
      expect(pair.counts).toEqual({ Conv: 1, Concat: 1 });
      expect(pair.exactError).toBe(0);
    }
  });

  it("is none where they are no number, or not what the convolution gives to zeros", () => {
    for (const but of [() => Number.NaN, (_: number, value: number) => -value]) {
      const net = new PaddedNet();
      net.add("Concat", "y", [net.around("part", [1, width], but), "c"], { axis: int(2) });
      expect(fold(net.finish(shape, "y"), dearer).graph.nodes.map(({ op }) => op)).toEqual(["Conv", "Concat"]);
    }
  });

  it.each([0, 1])("is none along axis %i, though it has one number a channel", (axis) => {
    for (const first of [true, false]) {
      const net = new PaddedNet();
      const part = net.around("part", [height, width], () => 0);
      net.add("Concat", "y", first ? [part, "c"] : ["c", part], { axis: int(axis) });
      const pair = foldAndCompare(net.finish(shape, "y"), shape, dearer);
      expect(pair.counts).toEqual({ Conv: 1, Concat: 1 });
      expect(pair.exactError).toBe(0);
    }
  });

  it("is none of two values, and none of constants without any element", () => {
    const net = new PaddedNet();
    const two = ["c", net.around("part", [1, width]), net.add("Relu", "r", ["c"])];
    net.add("Concat", "y", two, { axis: int(2) });
    expect(foldAndCompare(net.finish(shape, "y"), shape, dearer).counts).toEqual({ Conv: 1, Relu: 1, Concat: 1 });
    const none = new PaddedNet();
    none.add("Concat", "y", ["c", none.around("part", [0, width])], { axis: int(2) });
    expect(foldAndCompare(none.finish(shape, "y"), shape, dearer).exactError).toBe(0);
  });

  it.each([1, 2, 3])("goes by as many axes as there are: %i", (axes) => {
    const sizes = [5, 4, 3].slice(0, axes);
    sizes.forEach((_, axis) => {
      const around = sizes.map((size, other) => (other === axis ? 1 : size));
      const net = new PaddedNet(sizes.map(() => 1));
      net.add("Concat", "y", [net.around("part", around), "c"], { axis: int(2 + axis) });
      const pair = foldAndCompare(net.finish([batch, inputs, ...sizes], "y"), [batch, inputs, ...sizes], dearer);
      expect(pair.counts).toEqual({ Conv: 1 });
      expect(pair.exactError).toBeLessThanOrEqual(1e-9);
    });
  });

  it("of features is a Concat of channels", () => {
    const net = new RandomNet(42);
    net.add("Gemm", "g", ["x", net.constant("w", normal(net.rng, [3, 4]))]);
    net.add("Concat", "y", ["g", net.constant("part", f32([2, 2], new Float32Array(4)))], { axis: int(1) });
    const pair = foldAndCompare(net.finish([2, 3], "y"), [2, 3]);
    expect(pair.counts).toEqual({ Gemm: 1, Concat: 1 });
    expect(pair.exactError).toBe(0);
  });
});

describe("MatMul", () => {
  it.each<[string, readonly number[], readonly number[], number]>([
    ["by a matrix folds", [4, 3], [2, 5, 4], 1],
    ["by a vector stays", [4], [2, 5, 4], 2],
    ["by a stack of one matrix stays", [1, 4, 4], [2, 5, 4], 2],
    ["by a matrix for each of the batch stays", [2, 4, 4], [2, 5, 4], 2],
  ])("%s", (_, weight, given, nodes) => {
    const net = new RandomNet(43);
    net.add("MatMul", "m", ["x", net.constant("first", normal(net.rng, [4, 4]))]);
    net.add("MatMul", "y", ["m", net.constant("w", normal(net.rng, weight))]);
    const pair = foldAndCompare(net.finish(given, "y"), given, { maxCost: 10 });
    expect(pair.graph.nodes).toHaveLength(nodes);
    expect(pair.exactError).toBeLessThanOrEqual(1e-9);
  });
});

/** Only for what a constant is: any numbers. */
const any = (net: RandomNet, ...sizes: number[]): NamedArray => normal(net.rng, sizes);

describe("operators of other domains that are called as ONNX's", () => {
  it.each(["Flatten", "Reshape"])("%s moves no scale", (op) => {
    const net = new RandomNet(44);
    net.add("Relu", "r", ["x"]);
    net.randomBatchNorm("norm", "r", 3);
    net.add(op, "flat", ["norm"]);
    net.add("Gemm", "y", ["flat", net.constant("w", any(net, 90, 5))]);
    const made = net.finish([2, 3, 6, 5], "y");
    const nodes = made.nodes.map((node) => (node.op === op ? { ...node, domain: "com.example" } : node));
    const valueInfo = [{ name: "flat", dtype: "f32" as const, shape: [2, 90] }];
    expect(fold({ ...made, nodes, valueInfo }).graph.nodes).toEqual(nodes);
  });

  it("Concat moves no scale", () => {
    const net = new RandomNet(45);
    net.add("Relu", "r", ["x"]);
    net.add("Concat", "joined", [net.randomConv("a", "r", 3, 4, 1), net.randomConv("b", "x", 3, 2, 1)], {
      axis: int(1),
    });
    net.randomBatchNorm("y", "joined", 6);
    const made = net.finish([2, 3, 6, 5], "y");
    const nodes = made.nodes.map((node) => (node.op === "Concat" ? { ...node, domain: "com.example" } : node));
    const valueInfo = [{ name: "joined", dtype: "f32" as const, shape: [2, 6, 6, 5] }];
    expect(fold({ ...made, nodes, valueInfo }).graph.nodes).toEqual(nodes);
    expect(fold(made).graph.nodes.map(({ op }) => op)).toEqual(["Relu", "Conv", "Conv", "Concat"]);
  });
});
