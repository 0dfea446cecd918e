import { describe, expect, it } from "vitest";
import { f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { Rng } from "#repvgg/core/rng.js";
import { int64 } from "#repvgg/graph/build.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import { fold } from "#repvgg/graph/fold.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { BorderNet, batch, channels, everywhere, height, high, inBorder, top, wide, width } from "./border-net.js";
import { normal, worstError } from "./support.js";

describe("constants written over a border that is not of zeros", () => {
  /** A convolution that gives 0.75 to zeros, padded with a number, and what is written over that. */
  const bordered = (value: number, write: (net: BorderNet) => string): Graph => {
    const net = new BorderNet(9);
    const bias = f32([channels], new Float32Array(channels).fill(0.75));
    net.conv("c", "x", normal(net.rng, [channels, channels, 1, 1]), { bias });
    const pads = net.constant("pads", int64([0, 0, 1, 1, 0, 0, 1, 1]));
    net.add("Pad", "padded", ["c", pads, net.constant("value", f32([], Float32Array.of(value)))]);
    return net.closed(write(net));
  };
  const plane = (inside: number, outside: number, where = inBorder): Float32Array =>
    Float32Array.from(everywhere().slice(0, high * wide), (point) => (where(point) ? outside : inside));
  const writes: readonly [string, (border: number) => (net: BorderNet) => string][] = [
    ["slice assignment", (border) => (net) => net.assign("a", "padded", top, () => border)],
    [
      "Add",
      (border) => (net) =>
        net.add("Add", "a", ["padded", net.constant("more", f32([high, wide], plane(0, border - 0.75, top)))]),
    ],
    [
      "Where",
      (border) => (net) => {
        const mask: NamedArray = { dtype: "bool", shape: [high, wide], data: Uint8Array.from(plane(0, 1, top)) };
        const value = net.constant("to", f32([], Float32Array.of(border)));
        return net.add("Where", "a", [net.constant("mask", mask), value, "padded"]);
      },
    ],
  ];

  it.each(writes)("%s of a part of it leaves the rest as it was padded", (name, write) => {
    const ops = (graph: Graph): string[] => fold(graph, { maxCost: 2 }).graph.nodes.map(({ op }) => op);
    expect(ops(bordered(0.75, write(0.5)))).toHaveLength(4);
    expect(ops(bordered(0.5, write(0.5)))).toHaveLength(4);
    if (name === "Add") return; // of zeros: nothing is written
    expect(ops(bordered(0.75, write(0.75)))).toEqual(["Conv"]);
    expect(ops(bordered(0, write(0.75)))).toHaveLength(4);
  });

  it("a number that is added to all of it makes it another one", () => {
    const added = (padded: number) =>
      bordered(padded, (net) =>
        net.add("Add", "a", ["padded", net.constant("more", f32([high, wide], plane(0, 0.25)))]),
      );
    const input = new Map([["x", normal(new Rng(9), [batch, channels, height, width], 1)]]);
    const { graph } = fold(added(0.5), { maxCost: 2 });
    expect(graph.nodes.map(({ op }) => op)).toEqual(["Conv"]);
    const [actual, expected] = [graph, added(0.5)].map((each) => evaluate(each, input).get("y")!);
    expect(worstError(actual!.data, expected!.data)).toBeLessThanOrEqual(1e-5);
    expect(fold(added(0.75), { maxCost: 2 }).graph.nodes).toHaveLength(4);
  });
});
