import { describe, expect, it } from "vitest";
import { UserError } from "#repvgg/core/errors.js";
import type { NamedArray } from "#repvgg/core/named-arrays.js";
import { Rng } from "#repvgg/core/rng.js";
import { fold } from "#repvgg/graph/fold.js";
import { int, ints, string } from "#repvgg/graph/attributes.js";
import { int64, node, valueInfo } from "#repvgg/graph/build.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import type { AttributeValue, Graph, GraphNode } from "#repvgg/graph/graph.js";
import { normal, RandomNet } from "./support.js";

const cases = Number(process.env.FUZZ_CASES ?? 400);

/** A graph with something of everything that the passes look into. */
function busyGraph(): Graph {
  const net = new RandomNet(1);
  net.add("Add", "sum", [net.convBn("a", "x", 4, 4, 3, { padding: 1 }), net.convBn("b", "x", 4, 4, 1)]);
  net.add("Mul", "scaled", ["sum", net.constant("k", normal(net.rng, [4, 1, 1]))]);
  net.add("Pad", "padded", ["scaled", net.constant("pads", int64([0, 0, 1, 1, 0, 0, 1, 1]))]);
  net.add("AveragePool", "pooled", ["padded"], { kernel_shape: ints([3, 3]), strides: ints([1, 1]) });
  net.add("Concat", "cat", ["pooled", "x"], { axis: int(1) });
  net.randomConv("c", "cat", 8, 4, 3, { groups: 2, stride: 2, dilation: 2, padding: 2, bias: true });
  net.add("Shape", "shape", ["c"]);
  net.add("Gather", "n", ["shape", net.constant("zero", int64([0]))], { axis: int(0) });
  net.add("Concat", "target", ["n", net.constant("rest", int64([-1]))], { axis: int(0) });
  net.add("Slice", "slice", [
    "c",
    net.constant("starts", int64([0])),
    net.constant("ends", int64([2])),
    net.constant("axes", int64([1])),
  ]);
  net.add("Transpose", "t", ["slice"], { perm: ints([0, 2, 3, 1]) });
  net.add("Reshape", "flat", ["t", "target"]);
  net.add(
    "Gemm",
    "y",
    ["flat", net.constant("w", normal(net.rng, [3, 32])), net.constant("wb", normal(net.rng, [3]))],
    { transB: int(1) },
  );
  return net.finish([2, 4, 8, 8], "y");
}

function pick<T>(rng: Rng, items: readonly T[]): T {
  return items[rng.int(items.length)]!;
}

const oddNumbers = [-(2 ** 40), -1, 0, 1, 2, 3, 7, 2 ** 31, 2 ** 52];

function oddAttribute(rng: Rng): AttributeValue {
  const length = rng.int(5);
  return pick<() => AttributeValue>(rng, [
    () => int(pick(rng, oddNumbers)),
    () => ints(Array.from({ length }, () => pick(rng, oddNumbers))),
    () => string("nonsense"),
    () => ({ type: "float", value: Number.NaN }),
  ])();
}

function oddArray(rng: Rng, of: NamedArray): NamedArray {
  if (of.dtype === "i64") return int64(Array.from({ length: rng.int(9) }, () => pick(rng, oddNumbers)));
  return normal(
    rng,
    Array.from({ length: rng.int(5) }, () => rng.int(5)),
  );
}

function mutate(graph: Graph, rng: Rng): Graph {
  const nodes = [...graph.nodes];
  const at = rng.int(nodes.length);
  const victim = nodes[at]!;
  const values = ["", "x", ...graph.initializers.keys(), ...nodes.flatMap(({ outputs }) => outputs)];
  const replace = (changed: Partial<GraphNode>): Graph => ({
    ...graph,
    nodes: nodes.with(at, { ...victim, ...changed }),
  });
  switch (rng.int(7)) {
    case 0:
      return replace({
        attributes: {
          ...victim.attributes,
          [pick(rng, [...Object.keys(victim.attributes), "axis", "group", "auto_pad"])]: oddAttribute(rng),
        },
      });
    case 1:
      return replace({ inputs: victim.inputs.map((input) => (rng.int(2) ? input : pick(rng, values))) });
    case 2:
      return replace({ inputs: victim.inputs.slice(0, rng.int(victim.inputs.length + 1)) });
    case 3:
      return replace({ op: pick(rng, nodes).op });
    case 4: {
      const name = pick(rng, [...graph.initializers.keys()]);
      return {
        ...graph,
        initializers: new Map(graph.initializers).set(name, oddArray(rng, graph.initializers.get(name)!)),
      };
    }
    case 5:
      return {
        ...graph,
        inputs: [
          valueInfo(
            "x",
            Array.from({ length: rng.int(6) }, () => pick(rng, ["n", 0, 1, 4, 8])),
          ),
        ],
      };
    default:
      return { ...graph, nodes: nodes.toSpliced(at, 1) };
  }
}

/** Whether no number in the graph asks the evaluator for hours of honest work. */
function isSmall(graph: Graph): boolean {
  const stated = graph.nodes.flatMap(({ attributes }) =>
    Object.values(attributes).flatMap((a) => (a.type === "int" || a.type === "ints" ? [a.value].flat() : [])),
  );
  const stored = [...graph.initializers.values()].flatMap(({ dtype, data }) =>
    dtype === "i64" ? Array.from(data, Number) : [],
  );
  return [...stated, ...stored].every((value) => Math.abs(value) < 100);
}

describe("graphs that make no sense", () => {
  it(`${cases} mutations fold or fail with a UserError (FUZZ_CASES sets the number)`, { timeout: cases * 1000 }, () => {
    const valid = busyGraph();
    let folded = 0;
    for (let seed = 0; seed < cases; seed++) {
      const rng = new Rng(seed);
      let graph = valid;
      for (let times = 1 + rng.int(3); times > 0; times--) graph = mutate(graph, rng);
      try {
        fold(graph);
        folded++;
        if (isSmall(graph)) evaluate(graph, new Map([["x", normal(rng, [2, 4, 8, 8])]]));
      } catch (error) {
        if (!(error instanceof UserError)) throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
      }
    }
    expect(folded).toBeGreaterThan(cases / 20); // most mutations are refused, as they should be
  });

  it("linear chains of any length fold without running out of stack", () => {
    const net = new RandomNet(2);
    net.randomConv("v0", "x", 2, 2, 1);
    const half = net.constant("half", { dtype: "f32", shape: [], data: Float32Array.of(0.5) });
    for (let i = 0; i < 5_000; i++)
      net.nodes.push(
        i % 2
          ? node("Add", `n${i}`, [`v${i}`, "x"], [`v${i + 1}`])
          : node("Mul", `n${i}`, [`v${i}`, half], [`v${i + 1}`]),
      );
    const { graph } = fold(net.finish([1, 2, 3, 3], "v5000"), { maxCost: 10 });
    expect(graph.nodes.map(({ op }) => op)).toEqual(["Conv"]);
  });
});
