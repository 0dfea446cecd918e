import { describe, expect, it } from "vitest";
import type { NamedArray } from "#repvgg/core/named-arrays.js";
import { ValueFacts } from "#repvgg/fold/value-facts.js";
import { int, ints } from "#repvgg/graph/attributes.js";
import { node } from "#repvgg/graph/build.js";
import { fold } from "#repvgg/graph/fold.js";
import type { Dimension, Graph, GraphNode } from "#repvgg/graph/graph.js";
import { normal, RandomNet } from "./support.js";

type Constants = Readonly<Record<string, readonly number[]>>;

/** Nodes that read `v`, with constants of these shapes: what they tell of it. */
function factsOf(nodes: readonly GraphNode[], constants: Constants = {}, shape?: readonly Dimension[]): ValueFacts {
  const array = (sizes: readonly number[]): NamedArray => ({ dtype: "f32", shape: sizes, data: new Float32Array(0) });
  const initializers = new Map(Object.entries(constants).map(([name, sizes]) => [name, array(sizes)]));
  const graph: Graph = { name: "g", inputs: [], outputs: [], nodes, initializers };
  return new ValueFacts(graph, new Map(shape ? [["v", shape]] : []));
}

const reading = (op: string, inputs: readonly string[] = ["v"], attributes = {}): GraphNode =>
  node(op, op, inputs, [`${op}.out`], attributes);

describe("the rank of a value whose shape is not stated", () => {
  it.each([1, 2, 3])("is told by a window of %i axes", (axes) => {
    const kernel = new Array<number>(axes).fill(3);
    const weights = { w: [4, 4, ...kernel] };
    const pool = { kernel_shape: ints(kernel) };
    for (const nodes of [
      [reading("Conv", ["v", "w"])],
      [reading("ConvTranspose", ["v", "w"])],
      [reading("MaxPool", ["v"], pool)],
      [reading("AveragePool", ["v"], pool)],
      [reading("LpPool", ["v"], pool)],
      [reading("Relu"), reading("Sigmoid"), reading("Conv", ["v", "w"])],
      [reading("MaxPool", ["v"], pool), reading("Conv", ["v", "other"])],
    ]) {
      const facts = factsOf(nodes, { ...weights, other: [2, 2, 1, 1] });
      expect(facts.rank("v"), nodes.map(({ op }) => op).join()).toBe(2 + axes);
      expect(facts.rank("v")).toBe(2 + axes); // remembered
    }
  });

  it("is that behind up to four BatchNormalizations", () => {
    const behind = (count: number): ValueFacts => {
      const names = ["v", ...Array.from({ length: count }, (_, i) => `v${i}`)];
      const chain = names.slice(1).map((name, i) => node("BatchNormalization", name, [names[i]!], [name], {}));
      return factsOf([...chain, reading("Conv", [names.at(-1)!, "w"])], { w: [4, 4, 3, 3] });
    };
    for (const count of [0, 1, 4]) expect(behind(count).rank("v")).toBe(4);
    expect(behind(5).rank("v")).toBeUndefined();
    expect(behind(5).rank("v0")).toBe(4);
  });

  it.each<[string, GraphNode]>([
    ["its weight", reading("Conv", ["w", "v"])],
    ["what a foreign operator reads", { ...reading("Conv", ["v", "w"]), domain: "com.example" }],
    ["what is convolved with computed weights", reading("Conv", ["v", "u"])],
    ["what a pool without a kernel reads", reading("GlobalAveragePool")],
    [
      "what an operator with another word for its kernel reads",
      reading("Pooling", ["v"], { kernel_shape: ints([2, 2]) }),
    ],
    ["what a node of any rank reads", reading("Relu")],
    ["what is read second", reading("MaxPool", ["u", "v"], { kernel_shape: ints([2, 2]) })],
  ])("is not told: %s", (_, other) => {
    expect(factsOf([other], { w: [4, 4, 3, 3] }).rank("v")).toBeUndefined();
    expect(factsOf([other, reading("Conv", ["v", "w"])], { w: [4, 4, 3, 3] }).rank("v")).toBe(4);
  });

  it("is the stated one where there is one, from 2 to 5", () => {
    for (const rank of [2, 3, 4, 5]) {
      const facts = factsOf([reading("Conv", ["v", "w"])], { w: [4, 4, 3] }, new Array<string>(rank).fill("s"));
      expect(facts.rank("v")).toBe(rank);
    }
    for (const rank of [0, 1, 6]) expect(factsOf([], {}, new Array<number>(rank).fill(1)).rank("v")).toBeUndefined();
    for (const axes of [0, 4]) {
      expect(
        factsOf([reading("Conv", ["v", "w"])], { w: [4, 4, 3, 3, 3, 3].slice(0, axes === 0 ? 1 : 6) }).rank("v"),
      ).toBeUndefined();
    }
  });
});

describe("the channels of a value", () => {
  it.each<[string, GraphNode, number]>([
    ["a convolution's weight", reading("Conv", ["v", "w"]), 3],
    ["a grouped convolution's weight", reading("Conv", ["v", "w"], { group: int(2) }), 6],
    ["a transposed convolution's weight", reading("ConvTranspose", ["v", "w"], { group: int(2) }), 8],
    ["BatchNormalization's scale", reading("BatchNormalization", ["v", "w"]), 8],
  ])("are told by %s, whatever is stated", (_, reader, channels) => {
    const constants = { w: [8, 3, 1, 1] };
    for (const shape of [undefined, ["n", "c", 1, 1], ["n", 5, 1, 1]]) {
      const facts = factsOf([reading("Relu"), reader], constants, shape);
      expect(facts.channels("v", 1)).toBe(channels);
      expect(facts.channels("v", 3)).toBe(shape ? 1 : undefined);
    }
    for (const other of [
      { ...reader, domain: "com.example" },
      { ...reader, inputs: ["w", "v"] },
      { ...reader, inputs: ["v", "u"] },
    ]) {
      expect(factsOf([other], constants).channels("v", 1)).toBeUndefined();
      expect(factsOf([other], constants, ["n", 5]).channels("v", 1)).toBe(5);
    }
  });

  it("are the stated ones else, by axis, from 1 to 2^24", () => {
    const facts = factsOf([reading("Relu")], {}, ["n", 7, "h", 9]);
    expect([0, 1, 2, 3].map((axis) => facts.channels("v", axis))).toEqual([undefined, 7, undefined, 9]);
    for (const [size, known] of [
      [0, false],
      [1, true],
      [2 ** 24, true],
      [2 ** 24 + 1, false],
    ] as const) {
      expect(factsOf([], {}, ["n", size]).channels("v", 1)).toBe(known ? size : undefined);
      expect(factsOf([reading("BatchNormalization", ["v", "w"])], { w: [size] }).channels("v", 1)).toBe(
        known ? size : undefined,
      );
    }
  });
});

it("positions are all axes but batch and channels, where all are known", () => {
  const facts = factsOf([], {}, [2, 3, 5, 7]);
  expect(facts.positions("v", 1)).toBe(35);
  expect(facts.positions("v", 3)).toBe(15);
  expect(facts.positions("other", 1)).toBeUndefined();
  expect(facts.spatialSizes("v")).toEqual([5, 7]);
  expect(facts.spatialSizes("other")).toBeUndefined();
  const open = factsOf([], {}, ["n", 3, "h", 7]);
  expect(open.positions("v", 1)).toBeUndefined();
  expect(open.spatialSizes("v")).toBeUndefined();
  const free = factsOf([], {}, ["n", "c", 5, 7]);
  expect(free.positions("v", 1)).toBe(35);
  expect(free.spatialSizes("v")).toEqual([5, 7]);
  expect(factsOf([], {}, ["n", 3]).positions("v", 1)).toBe(1);
});

it("readers are counted as they read", () => {
  const facts = factsOf([reading("Relu"), reading("Add", ["v", "v"])]);
  expect([0, 1, 2].map((times) => facts.isRead("v", times))).toEqual([true, true, true]);
  expect([0, 1].map((times) => facts.isRead("u", times))).toEqual([true, false]);
  expect(factsOf([reading("Relu")]).isRead("v", 2)).toBe(false);
});

it.each(["Conv", "MaxPool"])("a scale and shift of an input of unknown shape folds by what %s tells of it", (op) => {
  const net = new RandomNet(31);
  net.randomBatchNorm("a", "x", 4);
  net.randomBatchNorm("b", net.randomBatchNorm("a2", "a", 4), 4);
  if (op === "Conv") net.randomConv("y", "b", 4, 4, 3);
  else net.add(op, "y", ["b"], { kernel_shape: ints([2, 2]) });
  const graph = net.finish(["n", 4, 5, 5], "y");
  const unknown: Graph = { ...graph, inputs: graph.inputs.map((input) => ({ ...input, shape: undefined })) };
  const ops = (given: Graph): string[] => fold(given).graph.nodes.map((each) => each.op);
  expect(ops(unknown)).toEqual(ops(graph));
  expect(ops(unknown)).toEqual(op === "Conv" ? ["Conv"] : ["Mul", "Add", "MaxPool"]);
});

it("a Transpose tells the rank of what it turns, where no shape is stated", () => {
  const net = new RandomNet(32);
  net.randomBatchNorm("n", "x", 4);
  net.add("Transpose", "last", ["n"], { perm: ints([0, 2, 3, 1]) });
  net.add("MatMul", "m", ["last", net.constant("w", normal(net.rng, [4, 4]))]);
  net.add("Transpose", "y", ["m"], { perm: ints([0, 3, 1, 2]) });
  net.randomConv("z", "x", 4, 4, 3);
  const graph = net.finish(["n", 4, 5, 5], "y", "z");
  const unknown: Graph = { ...graph, inputs: graph.inputs.map((input) => ({ ...input, shape: undefined })) };
  for (const given of [graph, unknown]) {
    expect(fold(given).graph.nodes.map(({ op, outputs }) => [op, outputs[0]])).toEqual([
      ["Conv", "y"],
      ["Conv", "z"],
    ]);
  }
});
