import { describe, expect, it } from "vitest";
import { f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import type { GraphBuilder } from "#repvgg/graph/build.js";
import { fold } from "#repvgg/graph/fold.js";
import { foldAndCompare, normal, RandomNet } from "./support.js";

const channels = 6;
const shape = [2, channels, 5, 4];

/** A kernel [6, 6, 1, 1] in which only channels of one block of as many are connected. */
function blocks(net: RandomNet, count: number): NamedArray {
  const width = channels / count;
  const dense = normal(net.rng, [channels, channels, 1, 1]).data as Float32Array;
  const data = dense.map((w, at) =>
    Math.floor(at / channels / width) === Math.floor((at % channels) / width) ? w : 0,
  );
  return f32([channels, channels, 1, 1], data);
}

describe("the groups of the one convolution", () => {
  it.each<[string, (net: RandomNet) => string, number]>([
    ["are the only one's, whatever zeros it has", (net) => net.conv("a", "x", blocks(net, 3)), 1],
    ["are the only one's", (net) => net.randomConv("a", "x", channels, channels, 1, { groups: 2 }), 2],
    [
      "are those that the sum has and one of two",
      (net) =>
        net.add("Add", "sum", [
          net.randomConv("a", "x", channels, channels, 1, { groups: 2 }),
          net.randomConv("b", "x", channels, channels, 3, { groups: 6, padding: 1 }),
        ]),
      2,
    ],
    [
      "are as many as its zeros allow, where the sum has none's",
      (net) =>
        net.add("Add", "sum", [
          net.conv(
            "a",
            "x",
            f32(
              [6, 3, 1, 1],
              Float32Array.from({ length: 18 }, (_, i) => (i % 3 === Math.floor(i / 3) % 3 ? 2 : 0)),
            ),
            { groups: 2 },
          ),
          net.conv(
            "b",
            "x",
            f32(
              [6, 2, 1, 1],
              Float32Array.from({ length: 12 }, (_, i) => (i % 2 === Math.floor(i / 2) % 2 ? 3 : 0)),
            ),
            { groups: 3 },
          ),
        ]),
      6,
    ],
    [
      "are one, where the sum's zeros allow no more",
      (net) =>
        net.add("Add", "sum", [
          net.randomConv("a", "x", channels, channels, 1, { groups: 2 }),
          net.randomConv("b", "x", channels, channels, 1, { groups: 3 }),
        ]),
      1,
    ],
  ])("%s", (_, build, groups) => {
    const net = new RandomNet(51);
    net.randomBatchNorm("y", build(net), channels);
    const pair = foldAndCompare(net.finish(shape, "y"), shape, { maxCost: 10 });
    expect(pair.exactError).toBeLessThanOrEqual(1e-9);
    expect(pair.report.regions.map(({ form }) => form.replace(/^.*groups/, "groups"))).toEqual([`groups ${groups}`]);
  });
});

describe("what passes a value on", () => {
  const steps: readonly [string, (b: GraphBuilder, name: string, input: string) => string][] = [
    ["Identity", (b, name, input) => b.add("Identity", name, [input])],
    ["Dropout", (b, name, input) => b.add("Dropout", name, [input])],
  ];

  it.each(steps)("%s goes into a convolution where it gives an output", (_, step) => {
    const net = new RandomNet(52);
    net.randomConv("c", "x", channels, channels, 3, { padding: 1 });
    step(net, "y", "c");
    const pair = foldAndCompare(net.finish(shape, "y"), shape);
    expect(pair.counts).toEqual({ Conv: 1 });
    expect(pair.exactError).toBeLessThanOrEqual(1e-9);
    step(net, "z", "y");
    const both = foldAndCompare(net.finish(shape, "y", "z"), shape);
    expect(both.graph.nodes.map(({ outputs }) => outputs[0])).toEqual(["y", "z"]);
    expect(both.report.regions).toMatchObject([
      { nodes: ["c", "y"], macsBefore: 6 * 6 * 9 * 20, macsAfter: 6 * 6 * 9 * 20 },
    ]);
  });

  it.each(steps)("%s between a scale and a shift, which give an output each", (op, step) => {
    const net = new RandomNet(53);
    net.add("Mul", "scaled", ["x", net.constant("k", normal(net.rng, [channels, 1, 1]))]);
    step(net, "same", "scaled");
    net.add("Add", "y", ["same", net.constant("t", normal(net.rng, [channels, 1, 1]))]);
    const pair = foldAndCompare(net.finish(shape, "scaled", "same", "y"), shape);
    expect(pair.graph.nodes.map((node) => node.op)).toEqual(["Mul", op, "Add"]);
    expect(pair.exactError).toBe(0);
  });

  it("absent outputs are no values that a node with absent inputs reads", () => {
    const net = new RandomNet(55);
    net.randomConv("c", "x", channels, channels, 1);
    net.randomBatchNorm("n", net.randomBatchNorm("m", "c", channels), channels);
    net.add("Clip", "y", ["n", "", net.constant("most", f32([], Float32Array.of(1)))]);
    const made = net.finish(shape, "y");
    const nodes = made.nodes.map((node) =>
      node.op === "BatchNormalization" ? { ...node, outputs: [...node.outputs, ""] } : node,
    );
    expect(fold({ ...made, nodes }).graph.nodes.map(({ op }) => op)).toEqual(["Conv", "Clip"]);
  });

  it("Dropout stays where its mask is read", () => {
    const net = new RandomNet(54);
    net.randomConv("c", "x", channels, channels, 1);
    net.nodes.push({ name: "d", op: "Dropout", domain: "", inputs: ["c"], outputs: ["d", "mask"], attributes: {} });
    net.randomBatchNorm("y", "d", channels);
    const { graph } = fold(net.finish(shape, "y", "mask"));
    expect(graph.nodes.map(({ op }) => op)).toEqual(["Conv", "Dropout", "BatchNormalization"]);
  });
});
