import { describe, expect, it } from "vitest";
import { int, ints } from "#repvgg/graph/attributes.js";
import { int64 } from "#repvgg/graph/build.js";
import { fold } from "#repvgg/graph/fold.js";
import { type FoldedPair, foldAndCompare, normal, RandomNet } from "./support.js";

function expectExact(pair: FoldedPair, counts: Record<string, number>): void {
  expect(pair.exactError).toBeLessThanOrEqual(1e-9);
  expect(pair.roundedError).toBeLessThanOrEqual(1e-5);
  expect(pair.counts).toEqual(counts);
}

const open = ["n", 3, "h", "w"];
const shape = [2, 3, 6, 5];

/** Two convolutions, of values that have nothing to do with one another, and a third value that is none. */
function parts(seed: number): RandomNet {
  const net = new RandomNet(seed);
  net.add("Relu", "r", ["x"]);
  net.add("Sigmoid", "s", ["x"]);
  net.randomConv("a", "r", 3, 4, 3, { padding: 1, bias: true });
  net.randomConv("b", "s", 3, 2, 1);
  return net;
}

describe("scales behind a Concat", () => {
  it.each([1, -3])(
    "go into the convolutions before it (axis %i): BatchNormalization, then constants in all spellings",
    (axis) => {
      const net = parts(1);
      net.add("Concat", "joined", ["a", "b"], { axis: int(axis) });
      net.randomBatchNorm("norm", "joined", 6);
      net.add("Mul", "scaled", [net.constant("k", normal(net.rng, [6, 1, 1])), "norm"]);
      net.add("Sub", "shifted", ["scaled", net.constant("t", normal(net.rng, [1, 6, 1, 1]))]);
      net.add("Div", "y", ["shifted", net.constant("d", normal(net.rng, [1]))]);
      const pair = foldAndCompare(net.finish(open, "y"), shape);
      expectExact(pair, { Relu: 1, Sigmoid: 1, Conv: 2, Concat: 1 });
      expect(pair.graph.nodes.at(-1)).toMatchObject({ op: "Concat", outputs: ["y"] });
    },
  );

  it("one part that is no convolution keeps a BatchNormalization of its own; two leave it where it is", () => {
    const build = (...more: string[]): FoldedPair => {
      const net = parts(2);
      net.add("Concat", "joined", ["a", "b", ...more], { axis: int(1) });
      net.randomBatchNorm("y", "joined", 6 + 3 * more.length);
      return foldAndCompare(net.finish(open, "y"), shape);
    };
    expectExact(build("r"), { Relu: 1, Sigmoid: 1, Conv: 2, BatchNormalization: 1, Concat: 1 });
    const two = build("r", "s");
    expectExact(two, { Relu: 1, Sigmoid: 1, Conv: 2, BatchNormalization: 1, Concat: 1 });
    expect(two.graph.nodes.at(-1)!.op).toBe("BatchNormalization");
  });

  it("stay where two parts of it have no convolution, though nothing else reads them", () => {
    for (const last of [false, true]) {
      const net = parts(12);
      const others = ["Tanh", "Softplus"].map((op) => net.add(op, op, ["x"]));
      net.add("Concat", "joined", last ? ["a", "b", ...others] : [...others, "a", "b"], { axis: int(1) });
      net.randomBatchNorm("y", "joined", 12);
      const pair = foldAndCompare(net.finish(open, "y"), shape);
      expect(pair.graph.nodes.at(-1)!.op).toBe("BatchNormalization");
      expect(pair.graph.nodes).toHaveLength(8);
    }
  });

  it.each([1, 2, 3])(
    "go by the rank that convolutions tell, over %i axes of positions, where no shape is stated",
    (axes) => {
      const net = new RandomNet(13);
      const ones = new Array<number>(axes).fill(1);
      const convolution = (name: string, from: string, to: number): string =>
        net.add("Conv", name, [from, net.constant(`${name}.w`, normal(net.rng, [to, 3, ...ones]))]);
      net.add("Relu", "r", ["x"]);
      net.add("Concat", "joined", [convolution("a", "r", 4), convolution("b", "x", 2)], { axis: int(1) });
      net.add("Mul", "scaled", ["joined", net.constant("k", normal(net.rng, [6, ...ones]))]);
      net.add("Sub", "shifted", [net.constant("t", normal(net.rng, [1, 6, ...ones])), "scaled"]);
      net.add("Div", "y", ["shifted", net.constant("d", normal(net.rng, ones))]);
      const sizes = [2, 3, ...[5, 4, 3].slice(0, axes)];
      const graph = net.finish(sizes, "y");
      expectExact(foldAndCompare(graph, sizes), { Relu: 1, Conv: 2, Concat: 1 });
      const unknown = { ...graph, inputs: graph.inputs.map((input) => ({ ...input, shape: undefined })) };
      expect(fold(unknown).graph.nodes.map(({ op }) => op)).toEqual(["Relu", "Conv", "Conv", "Concat"]);
    },
  );

  it("stay where something else reads the Concat or a part of it, or where it joins rows", () => {
    const read = parts(3);
    read.add("Concat", "joined", ["a", "b"], { axis: int(1) });
    read.randomBatchNorm("y", "joined", 6);
    expectExact(foldAndCompare(read.finish(open, "y", "joined"), shape), {
      ...{ Relu: 1, Sigmoid: 1, Conv: 2, BatchNormalization: 1, Concat: 1 },
    });
    const both = foldAndCompare(read.finish(open, "y", "a", "b"), shape);
    expect(both.exactError).toBeLessThanOrEqual(1e-9);
    expect(both.graph.nodes.at(-1)!.op).toBe("BatchNormalization");
    const rows = new RandomNet(4);
    rows.add("Relu", "r", ["x"]);
    rows.add("Concat", "joined", [rows.randomConv("a", "r", 3, 4, 1), rows.randomConv("b", "x", 3, 4, 1)], {
      axis: int(2),
    });
    rows.randomBatchNorm("y", "joined", 4);
    expectExact(foldAndCompare(rows.finish(open, "y"), shape), { Relu: 1, Conv: 2, Concat: 1, BatchNormalization: 1 });
  });

  it("of constants that vary over positions nothing moves", () => {
    const net = parts(5);
    net.add("Concat", "joined", ["a", "b"], { axis: int(1) });
    net.add("Mul", "y", ["joined", net.constant("k", normal(net.rng, [6, 6, 5]))]);
    expectExact(foldAndCompare(net.finish(shape, "y"), shape), { Relu: 1, Sigmoid: 1, Conv: 2, Concat: 1, Mul: 1 });
  });
});

describe("scales before a fully connected layer over positions", () => {
  const layer = (net: RandomNet, input: string, features: number): string =>
    net.add(
      "Gemm",
      "y",
      [input, net.constant("w", normal(net.rng, [5, features])), net.constant("b", normal(net.rng, [5]))],
      {
        transB: int(1),
      },
    );

  it.each(["Flatten", "Reshape"])("go through %s into it", (op) => {
    const net = new RandomNet(6);
    net.add("Relu", "r", ["x"]);
    net.randomBatchNorm("norm", "r", 3);
    net.add("Mul", "scaled", ["norm", net.constant("k", normal(net.rng, [3, 1, 1]))]);
    net.add("Add", "shifted", [net.constant("t", normal(net.rng, [1, 1, 1])), "scaled"]);
    if (op === "Flatten") net.add("Flatten", "flat", ["shifted"], { axis: int(1) });
    else net.add("Reshape", "flat", ["shifted", net.constant("target", int64([-1, 3 * 6 * 5]))]);
    layer(net, "flat", 3 * 6 * 5);
    const pair = foldAndCompare(net.finish([2, 3, 6, 5], "y"), shape);
    expectExact(pair, { Relu: 1, [op]: 1, Gemm: 1 });
  });

  it("stay where a convolution before takes them in, where positions are not known, where something else reads them", () => {
    const taken = new RandomNet(7);
    taken.convBn("c", "x", 3, 3, 1);
    taken.add("Flatten", "flat", ["c"], { axis: int(1) });
    layer(taken, "flat", 90);
    expectExact(foldAndCompare(taken.finish([2, 3, 6, 5], "y"), shape), { Conv: 1, Flatten: 1, Gemm: 1 });
    const read = new RandomNet(8);
    read.randomBatchNorm("norm", "x", 3);
    read.add("Flatten", "flat", ["norm"], { axis: int(1) });
    layer(read, "flat", 90);
    expectExact(foldAndCompare(read.finish([2, 3, 6, 5], "y", "norm"), shape), {
      BatchNormalization: 1,
      Flatten: 1,
      Gemm: 1,
    });
    expectExact(foldAndCompare(read.finish(["n", 3, "h", "w"], "y"), shape), {
      BatchNormalization: 1,
      Flatten: 1,
      Gemm: 1,
    });
    expectExact(foldAndCompare(read.finish([2, 3, 6, 5], "y"), shape), { Flatten: 1, Gemm: 1 });
  });
});

describe("scales and shifts alone", () => {
  it("become no convolution: more than two nodes are one scale and one shift", () => {
    const net = new RandomNet(9);
    net.add("Relu", "r", ["x"]);
    net.randomBatchNorm("norm", "r", 3);
    net.add("Mul", "k", ["norm", net.constant("k.c", normal(net.rng, [3, 1, 1]))]);
    net.add("Sub", "y", ["k", "r"]);
    const pair = foldAndCompare(net.finish(open, "y"), shape);
    expectExact(pair, { Relu: 1, Mul: 1, Add: 1 });
    expect(pair.report.regions).toMatchObject([
      { op: "Mul", form: "scale and shift of 3 channels", nodes: ["norm", "k", "y"] },
    ]);
    expect(pair.report.refusals).toMatchObject([
      { node: "y", reason: "there is no convolution that it could go into" },
    ]);
  });

  it("PP-LCNetV3's scalar scale and shift behind an activation stays where a padded convolution follows", () => {
    const net = new RandomNet(10);
    net.add("HardSwish", "act", [net.randomConv("c", "x", 3, 3, 1)]);
    net.add("Mul", "scale", [net.constant("k", normal(net.rng, [1])), "act"]);
    net.add("Add", "shift", ["scale", net.constant("t", normal(net.rng, [1]))]);
    net.randomConv("y", "shift", 3, 3, 3, { padding: 1 });
    expectExact(foldAndCompare(net.finish(open, "y"), shape), { Conv: 2, HardSwish: 1, Mul: 1, Add: 1 });
  });

  it("a scale before a padding or an average is no convolution either, unless more may be spent", () => {
    const net = new RandomNet(11);
    net.add("Mul", "scale", ["x", net.constant("k", normal(net.rng, [3, 1, 1]))]);
    net.add("Pad", "y", ["scale", net.constant("pads", int64([0, 0, 1, 1, 0, 0, 1, 1]))]);
    expectExact(foldAndCompare(net.finish(open, "y"), shape), { Mul: 1, Pad: 1 });
    net.add("AveragePool", "z", ["y"], { kernel_shape: ints([2, 2]), strides: ints([2, 2]) });
    expectExact(foldAndCompare(net.finish(open, "z"), shape), { Mul: 1, Pad: 1, AveragePool: 1 });
    expectExact(foldAndCompare(net.finish(open, "z"), shape, { maxCost: 2 }), { Conv: 1 });
  });
});
