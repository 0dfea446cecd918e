import { describe, expect, it } from "vitest";
import { whyNotUnchanged } from "#repvgg/analysis/proof/unchanged.js";
import type { NamedArray } from "#repvgg/core/named-arrays.js";
import { int } from "#repvgg/graph/attributes.js";
import { fold } from "#repvgg/graph/fold.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { normal, RandomNet } from "../graph/support.js";

/** BatchNormalization and a scale behind a Concat of convolutions. */
function joined(): Graph {
  const net = new RandomNet(1);
  net.add("Relu", "r", ["x"]);
  net.add("Concat", "both", [net.randomConv("a", "r", 3, 4, 1), net.randomConv("b", "x", 3, 2, 1)], { axis: int(1) });
  net.randomBatchNorm("norm", "both", 6);
  net.add("Mul", "y", ["norm", net.constant("k", normal(net.rng, [6, 1, 1]))]);
  return net.finish([2, 3, 4, 4], "y");
}

/** A scale before a Flatten that a fully connected layer reads. */
function flattened(): Graph {
  const net = new RandomNet(2);
  net.add("Relu", "r", ["x"]);
  net.randomBatchNorm("norm", "r", 3);
  net.add("Flatten", "flat", ["norm"], { axis: int(1) });
  net.add("Gemm", "y", ["flat", net.constant("w", normal(net.rng, [48, 5]))]);
  return net.finish([2, 3, 4, 4], "y");
}

describe.each([
  ["before a Concat", joined],
  ["behind a Flatten", flattened],
])("scales that were moved %s", (_, build) => {
  const graph = build();
  const { simplified } = fold(graph).plan;
  const moved = [...simplified.initializers.keys()].filter((name) => !graph.initializers.has(name));

  it("are shown to compute the same", () => {
    expect(moved.length).toBeGreaterThan(3);
    expect(whyNotUnchanged(graph, simplified)).toBeUndefined();
  });

  it.each([0, 1, 2, 3])(
    "are not, with another number in constant %i, with constants exchanged, or another operator",
    (i) => {
      const name = moved[i]!;
      const array = simplified.initializers.get(name)! as NamedArray & { data: Float32Array };
      const wrong = { ...array, data: array.data.with(array.data.length - 1, 7) } as NamedArray;
      const changed = (made: Graph): string | undefined => whyNotUnchanged(graph, made);
      expect(changed({ ...simplified, initializers: new Map(simplified.initializers).set(name, wrong) })).toBeDefined();
      const reader = simplified.nodes.findIndex(({ inputs }) => inputs.includes(name));
      const node = simplified.nodes[reader]!;
      const turned = { ...node, inputs: [node.inputs[0]!, ...node.inputs.slice(1).reverse()] };
      if (node.inputs.length > 2)
        expect(changed({ ...simplified, nodes: simplified.nodes.with(reader, turned) })).toBeDefined();
      const other = { ...node, op: node.op === "Mul" ? "Add" : "Mul", inputs: node.inputs.slice(0, 2) };
      expect(changed({ ...simplified, nodes: simplified.nodes.with(reader, other) })).toBeDefined();
    },
  );
});
