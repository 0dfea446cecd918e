import { describe, expect, it } from "vitest";
import { UserError } from "#repvgg/core/errors.js";
import { f32 } from "#repvgg/core/named-arrays.js";
import { describeFold } from "#repvgg/fold/report.js";
import { int, ints, string } from "#repvgg/graph/attributes.js";
import { int64, node, valueInfo } from "#repvgg/graph/build.js";
import { fold, planFold } from "#repvgg/graph/fold.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { foldAndCompare, normal, RandomNet } from "./support.js";

/** Folds, checks equality, and returns the reason given for a node. */
function reasonFor(graph: Graph, name: string, shape: readonly number[]): string {
  const pair = foldAndCompare(graph, shape);
  expect(pair.exactError).toBeLessThanOrEqual(1e-9);
  expect(pair.graph.nodes.map(({ op }) => op)).not.toEqual(["Conv"]);
  return pair.report.refusals.find((refusal) => refusal.node === name)?.reason ?? "none";
}

describe("what does not fold, and why", () => {
  it("ReLU inside a branch", () => {
    const net = new RandomNet(1);
    const inner = net.add("Relu", "relu", [net.convBn("a", "x", 4, 4, 3, { padding: 1 })]);
    net.add("Add", "y", [net.convBn("b", inner, 4, 4, 1), net.convBn("c", "x", 4, 4, 1)]);
    const graph = net.finish(["n", 4, "h", "w"], "y");
    expect(reasonFor(graph, "y", [1, 4, 5, 5])).toMatch(
      /not linear in one common value: "b", linear in "relu" \(given by Relu "relu"\); "c", linear in "x"/,
    );
    expect(foldAndCompare(graph, [1, 4, 5, 5]).counts).toEqual({ Conv: 3, Relu: 1, Add: 1 });
  });

  it("BatchNormalization in training mode", () => {
    const net = new RandomNet(2);
    net.randomBatchNorm("y", net.randomConv("c", "x", 2, 2, 1), 2);
    const graph = net.finish(["n", 2, 4, 4], "y");
    const training = graph.nodes.map((n) =>
      n.op === "BatchNormalization" ? { ...n, attributes: { training_mode: int(1) } } : n,
    );
    expect(reasonFor({ ...graph, nodes: training }, "y", [1, 2, 4, 4])).toMatch(/training mode.*evaluation mode/);
    const oldTraining = graph.nodes.map((n) =>
      n.op === "BatchNormalization" ? { ...n, outputs: ["y", "mean_out"] } : n,
    );
    expect(fold({ ...graph, nodes: oldTraining }).report.refusals[0]!.reason).toMatch(/training mode/);
  });

  it("unequal strides whose sizes meet by chance", () => {
    const net = new RandomNet(3);
    net.randomConv("a", "x", 2, 2, 3, { stride: 2, padding: 1 });
    net.randomConv("b", "x", 2, 2, 3);
    net.add("Add", "y", ["a", "b"]);
    expect(reasonFor(net.finish(["n", 2, 4, 4], "y"), "y", [1, 2, 4, 4])).toMatch(/unequal strides, 2 and 1/);
  });

  it("pad modes other than zeros, and pad values that a convolution would not give", () => {
    for (const mode of ["reflect", "edge"]) {
      const net = new RandomNet(4);
      net.add("Pad", "p", ["x", net.constant("pads", int64([0, 0, 1, 1, 0, 0, 1, 1]))], { mode: string(mode) });
      net.randomConv("y", "p", 2, 2, 3);
      expect(reasonFor(net.finish(["n", 2, 4, 4], "y"), "p", [1, 2, 4, 4])).toMatch(new RegExp(`mode "${mode}"`));
    }
    const net = new RandomNet(5);
    net.add("Pad", "p", [
      "x",
      net.constant("pads", int64([0, 0, 1, 1, 0, 0, 1, 1])),
      net.constant("v", f32([], Float32Array.of(3))),
    ]);
    net.randomConv("y", "p", 2, 2, 3);
    expect(reasonFor(net.finish(["n", 2, 4, 4], "y"), "p", [1, 2, 4, 4])).toMatch(/pad value 3 is not the bias/);
  });

  it("a biased convolution before a padded one, and a padded 3×3 before a padded 3×3", () => {
    const biased = new RandomNet(6);
    biased.randomConv("y", biased.randomConv("a", "x", 2, 2, 1, { bias: true }), 2, 2, 3, { padding: 1 });
    expect(reasonFor(biased.finish(["n", 2, 4, 4], "y"), "y", [1, 2, 4, 4])).toMatch(/bias comes before zero padding/);
    const wide = new RandomNet(7);
    wide.randomConv("y", wide.randomConv("a", "x", 2, 2, 3, { padding: 1 }), 2, 2, 3, { padding: 1 });
    expect(reasonFor(wide.finish(["n", 2, 4, 4], "y"), "y", [1, 2, 4, 4])).toMatch(
      /3×3 kernel before it would see part/,
    );
  });

  it("what would cost more multiply-accumulates, unless maxCost allows it", () => {
    const net = new RandomNet(8);
    net.convBn("y", net.convBn("dw", "x", 8, 8, 3, { padding: 1, groups: 8 }), 8, 8, 1);
    const graph = net.finish(["n", 8, 6, 6], "y");
    expect(reasonFor(graph, "y", [1, 8, 6, 6])).toMatch(/would cost 4\.\d+ × the multiply-accumulates/);
    expect(foldAndCompare(graph, [1, 8, 6, 6]).counts).toEqual({ Conv: 2 });
    const forced = foldAndCompare(graph, [1, 8, 6, 6], { maxCost: 8 });
    expect(forced.counts).toEqual({ Conv: 1 });
    expect(forced.exactError).toBeLessThanOrEqual(1e-9);
    const [region] = forced.report.regions;
    expect(region).toMatchObject({
      macsBefore: (8 * 9 + 8 + 64 + 8) * 36,
      macsAfter: 576 * 36,
      source: "x",
      output: "y",
      conv: "y",
    });
  });

  it("averages that leave their padding out of the count", () => {
    const net = new RandomNet(9);
    net.add("AveragePool", "p", ["x"], { kernel_shape: ints([3, 3]), pads: ints([1, 1, 1, 1]) });
    net.add("Add", "y", ["p", net.convBn("c", "x", 2, 2, 3, { padding: 1 })]);
    expect(reasonFor(net.finish(["n", 2, 5, 5], "y"), "p", [1, 2, 5, 5])).toMatch(/leaves its padding out/);
  });

  it("constants that vary over positions, weights that are computed, constants divided by values", () => {
    const spatial = new RandomNet(10);
    spatial.add("Add", "y", [
      spatial.randomConv("c", "x", 2, 2, 1),
      spatial.constant("k", normal(spatial.rng, [1, 2, 4, 4])),
    ]);
    expect(reasonFor(spatial.finish(["n", 2, 4, 4], "y"), "y", [1, 2, 4, 4])).toMatch(/varies over positions/);
    const inverse = new RandomNet(11);
    inverse.add("Div", "y", [
      inverse.constant("k", f32([], Float32Array.of(2))),
      inverse.randomConv("c", "x", 2, 2, 1),
    ]);
    expect(reasonFor(inverse.finish(["n", 2, 4, 4], "y"), "y", [1, 2, 4, 4])).toMatch(/divided by a value/);
    const dynamic: Graph = {
      ...new RandomNet(0).finish([1, 2, 4, 4], "y"),
      inputs: [valueInfo("x", [1, 2, 4, 4]), valueInfo("w", [2, 2, 1, 1])],
      nodes: [node("Conv", "c", ["x", "w"], ["c"]), node("Neg", "n", ["c"], ["y"])],
    };
    expect(fold(dynamic).report.refusals[0]).toMatchObject({
      node: "c",
      op: "Conv",
      reason: "its weight is not a constant",
    });
  });

  it("of many sources the nearest are followed", () => {
    const net = new RandomNet(13);
    let value = "x";
    const read: string[] = [];
    for (let i = 0; i < 12; i++) {
      value = net.randomConv(`c${i}`, value, 2, 2, 1);
      read.push(value);
    }
    net.add("Add", "y", [net.randomConv("branch", value, 2, 2, 1), value]);
    const pair = foldAndCompare(net.finish(["n", 2, 4, 4], "y", ...read), [1, 2, 4, 4]);
    expect(pair.counts).toEqual({ Conv: 13 });
    expect(pair.report.regions).toMatchObject([{ source: "c11", nodes: ["branch", "y"] }]);
  });

  it("a Slice of a value of unknown rank", () => {
    const net = new RandomNet(14);
    net.nodes.push({ ...node("Custom", "custom", ["x"], ["hidden"]), domain: "elsewhere" });
    const cut = ["starts", "ends", "axes"].map((what, i) => net.constant(what, int64([[1], [3], [4]][i]!)));
    net.add("Slice", "s", ["hidden", ...cut]);
    net.add("Mul", "y", ["s", net.constant("k", f32([], Float32Array.of(2)))]);
    expect(fold(net.finish(["n", 2, 4, 4], "y")).graph.nodes.map(({ op }) => op)).toEqual(["Custom", "Slice", "Mul"]);
  });

  it("values that something else reads, or that are outputs, stay", () => {
    const make = (...more: string[]): Graph => {
      const net = new RandomNet(12);
      net.randomBatchNorm("y", net.randomConv("c", "x", 2, 2, 1), 2);
      net.add("Relu", "other", ["c"]);
      return net.finish(["n", 2, 4, 4], "y", ...more);
    };
    expect(foldAndCompare(make(), [1, 2, 4, 4]).counts).toEqual({ Conv: 1 }); // nothing asks for the ReLU
    expect(reasonFor(make("other"), "y", [1, 2, 4, 4])).toMatch(/"c" in between is also read by Relu "other"/);
    expect(reasonFor(make("c"), "y", [1, 2, 4, 4])).toMatch(/"c" in between is an output/);
  });
});

describe("names, precision and reports", () => {
  const block = (): RandomNet => {
    const net = new RandomNet(20);
    net.randomBatchNorm("y", net.randomConv("c", "x", 2, 2, 3, { padding: 1 }), 2);
    return net;
  };

  it("names that are taken get a suffix", () => {
    const net = block();
    net.add("Relu", "z", ["y"]);
    const graph = net.finish(["n", 2, 4, 4], "out");
    const named = {
      ...graph,
      nodes: [...graph.nodes, node("Mul", "y_1", ["z", "y.extra"], ["out"])].map((n) =>
        n.op === "Relu" ? { ...n, name: "Y" } : n,
      ),
      initializers: new Map([...graph.initializers, ["y.extra", f32([], Float32Array.of(2))]]),
    };
    const plain = fold(named).graph;
    expect(plain.nodes.map(({ name }) => name)).toEqual(["y", "Y", "y_1"]);
    const taken = {
      ...named,
      nodes: named.nodes.map((n) =>
        n.op === "Mul" ? { ...n, inputs: ["z", "y.weight"], name: "yy" } : n.op === "Relu" ? { ...n, name: "yyy" } : n,
      ),
    };
    // "y.weight" is now also what Mul reads: BatchNorm's own scale, [2]; it stays, and the kernel gets another name.
    const kept = fold({
      ...taken,
      nodes: taken.nodes.filter(({ op }) => op !== "Mul"),
      outputs: [
        { name: "z", dtype: "f32", shape: undefined },
        { name: "y.weight", dtype: "f32", shape: [2] },
      ],
    }).graph;
    expect(kept.nodes[0]!.inputs).toEqual(["x", "y.weight_1", "y.bias"]);
    expect(kept.initializers.get("y.weight")!.shape).toEqual([2]);
  });

  it("precision f16 rounds all constants once and says what does not fit", () => {
    const graph = block().finish(["n", 2, 4, 4], "y");
    const { graph: half } = fold(graph, { precision: "f16" });
    expect([...half.initializers.values()].map(({ dtype }) => dtype)).toEqual(["f16", "f16"]);
    expect(half.inputs[0]!.dtype).toBe("f16");
    const large = new Map(graph.initializers).set("y.bias", f32([2], Float32Array.of(1e6, 0)));
    expect(() => fold({ ...graph, initializers: large }, { precision: "f16" })).toThrow(UserError);
    expect(() => fold({ ...graph, initializers: large }, { precision: "f16" })).toThrow(/f16 can hold in "y.bias"/);
  });

  it("a plan holds geometry only until a region is asked for its numbers", () => {
    const plan = planFold(block().finish(["n", 2, 4, 4], "y"));
    expect(plan.graph.initializers.size).toBe(0);
    expect(plan.regions.map(({ names }) => names)).toEqual([{ weight: "y.weight", bias: "y.bias" }]);
    expect(plan.regions[0]!.weight.shape).toEqual([2, 2, 3, 3]);
  });

  it("reports regions and refusals in words", () => {
    const net = block();
    net.add("Add", "sum", [net.add("Relu", "r", ["y"]), net.convBn("d", "x", 2, 2, 1)]);
    const { report } = fold(net.finish(["n", 2, 4, 4], "sum"));
    const lines = describeFold(report);
    expect(lines[0]).toBe("6 → 4 nodes, 2 regions folded");
    expect(lines[1]).toBe('folded 2 nodes into Conv "y" (3×3, 2 → 2, stride 1×1, groups 1; 608 → 576 MACs): c, y');
    expect(lines.at(-1)).toMatch(/^kept Add "sum": its inputs are not linear in one common value/);
  });

  it("folding twice changes nothing more", () => {
    const once = fold(block().finish(["n", 2, 4, 4], "y")).graph;
    const twice = fold(once);
    expect(twice.graph).toEqual(once);
    expect(twice.report.regions).toEqual([]);
  });

  it("an invalid graph is a UserError", () => {
    const graph = block().finish(["n", 2, 4, 4], "missing");
    expect(() => fold(graph)).toThrow(UserError);
  });
});
