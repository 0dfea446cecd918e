import { describe, expect, it } from "vitest";
import { f32 } from "#repvgg/core/named-arrays.js";
import { Rng } from "#repvgg/core/rng.js";
import { withConstantLimits } from "#repvgg/fold/computed-limits.js";
import { withPinnedSizes } from "#repvgg/graph/analyze/pinned-sizes.js";
import { int, string } from "#repvgg/graph/attributes.js";
import { GraphBuilder, int64, valueInfo } from "#repvgg/graph/build.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import { fold } from "#repvgg/graph/fold.js";
import type { Dimension, Graph } from "#repvgg/graph/graph.js";
import { whyNotUnchanged } from "#repvgg/verify/proof/unchanged.js";
import { foldAndCompare, normal } from "./support.js";

const rng = new Rng(11);
const open: readonly Dimension[] = ["batch", 3, "height", "width"];

/** A 3×3 without padding beside a 1×1 of the value without its border, where `limit` computes the ends from a scalar size. */
function cropped(
  limit: (b: GraphBuilder, size: string, axis: number) => string,
  sizeOf = (axis: number) => axis,
): Graph {
  const b = new GraphBuilder();
  let inner = "x";
  for (const axis of [2, 3]) {
    b.constant(`at${axis}`, { dtype: "i64", shape: [], data: BigInt64Array.of(BigInt(sizeOf(axis))) });
    const size = b.add("Gather", `size${axis}`, [b.add("Shape", `shape${axis}`, ["x"]), `at${axis}`], { axis: int(0) });
    const end = b.add("Unsqueeze", `end${axis}`, [limit(b, size, axis), b.constant(`zero${axis}`, int64([0]))]);
    b.constant(`start${axis}`, int64([1]));
    b.constant(`axes${axis}`, int64([axis]));
    inner = b.add("Slice", `cut${axis}`, [inner, `start${axis}`, end, `axes${axis}`]);
  }
  const dense = b.conv("dense", "x", normal(rng, [4, 3, 3, 3]));
  b.add("Add", "y", [dense, b.conv("point", inner, normal(rng, [4, 3, 1, 1]))]);
  return b.graph("cropped", [valueInfo("x", open)], [valueInfo("y", ["batch", 4, "h", "w"])]);
}

const whole = (b: GraphBuilder, name: string, value: number): string =>
  b.constant(name, { dtype: "i64", shape: [], data: BigInt64Array.of(BigInt(value)) });

describe("limits computed from a size", () => {
  const spellings: Readonly<Record<string, (b: GraphBuilder, size: string, axis: number) => string>> = {
    "size − 1": (b, size, axis) => b.add("Sub", `less${axis}`, [size, whole(b, `one${axis}`, 1)]),
    "1 + (size − 2)": (b, size, axis) =>
      b.add("Add", `sum${axis}`, [
        whole(b, `one${axis}`, 1),
        b.add("Sub", `less${axis}`, [size, whole(b, `two${axis}`, 2)]),
      ]),
    "size + −1": (b, size, axis) => b.add("Add", `sum${axis}`, [size, whole(b, `one${axis}`, -1)]),
    "a Cast of them": (b, size, axis) =>
      b.add("Cast", `cast${axis}`, [b.add("Sub", `less${axis}`, [size, whole(b, `one${axis}`, 1)])], { to: int(7) }),
  };
  it.each(Object.entries(spellings))("%s are constants that count from the end", (_, limit) => {
    const pair = foldAndCompare(cropped(limit), [2, 3, 6, 7]);
    expect(pair.counts).toEqual({ Conv: 1 });
    expect(pair.exactError).toBeLessThan(1e-12);
  });

  it.each<[string, Graph]>([
    ["the other axis", cropped(spellings["size − 1"]!, (axis) => 5 - axis)],
    [
      "a constant less the size",
      cropped((b, size, axis) => b.add("Sub", `less${axis}`, [whole(b, `c${axis}`, 12), size])),
    ],
    ["more than the size", cropped((b, size, axis) => b.add("Add", `sum${axis}`, [size, whole(b, `one${axis}`, 1)]))],
    ["twice the size", cropped((b, size, axis) => b.add("Add", `sum${axis}`, [size, size]))],
  ])("of %s are left as they are", (_, graph) => {
    expect(withConstantLimits(graph).nodes).toEqual(graph.nodes);
  });

  it("a limit that is another constant is not unchanged", () => {
    const graph = cropped(spellings["size − 1"]!);
    const made = withConstantLimits(graph);
    expect(whyNotUnchanged(graph, made)).toBeUndefined();
    const initializers = new Map(made.initializers).set("cut2.ends", int64([-2]));
    expect(whyNotUnchanged(graph, { ...made, initializers })).toMatch(/reads "cut2.ends" instead of "end2"/);
  });
});

describe("sizes that constants pin", () => {
  /** A constant of two rows put beside x, along the channels, or made into as many rows as x has. */
  function beside(rows: readonly number[], how: "Concat" | "Reshape"): Graph {
    const b = new GraphBuilder();
    rows.forEach((count, i) => {
      b.constant(`c${i}`, normal(rng, [count, 3, 4, 4]));
      const batch = b.add("Gather", `batch${i}`, [
        b.add("Shape", `shape${i}`, ["x"]),
        b.constant(`at${i}`, int64([0])),
      ]);
      const target = b.add("Concat", `target${i}`, [batch, b.constant(`rest${i}`, int64([3, 4, 4]))], { axis: int(0) });
      if (how === "Concat") b.add("Concat", `y${i}`, ["x", `c${i}`], { axis: int(1) });
      else b.add("Add", `y${i}`, ["x", b.add("Reshape", `r${i}`, [`c${i}`, target])]);
    });
    const outputs = rows.map((_, i) => valueInfo(`y${i}`, ["batch", how === "Concat" ? 6 : 3, 4, 4]));
    return b.graph("pinned", [valueInfo("x", ["batch", 3, 4, 4])], outputs);
  }

  it.each(["Concat", "Reshape"] as const)("by %s are stated", (how) => {
    const graph = beside([2], how);
    const { inputs, outputs } = withPinnedSizes(graph);
    expect(inputs[0]!.shape).toEqual([2, 3, 4, 4]);
    expect(outputs[0]!.shape?.[0]).toBe(2);
    expect(fold(graph).graph.inputs[0]!.shape).toEqual([2, 3, 4, 4]);
    // The graph as it was runs at no other batch.
    const at = (batch: number) => () => evaluate(graph, new Map([["x", normal(rng, [batch, 3, 4, 4])]]));
    expect(at(2)).not.toThrow();
    expect(at(3)).toThrow(/Concat|Reshape/);
  });

  it.each<[string, Graph]>([
    ["contradict one another", beside([2, 4], "Concat")],
    [
      "are no whole number",
      {
        ...beside([1], "Reshape"),
        initializers: new Map(beside([1], "Reshape").initializers).set("c0", normal(rng, [4, 4])),
      },
    ],
  ])("are left open where they %s", (_, graph) => {
    expect(withPinnedSizes(graph)).toBe(graph);
  });

  it("by a node that nothing reads are left open", () => {
    const graph = beside([2], "Concat");
    expect(withPinnedSizes({ ...graph, outputs: [{ ...graph.inputs[0]!, name: "x" }] }).inputs[0]!.shape?.[0]).toBe(
      "batch",
    );
  });
});

describe("a stack weighed by Einsum", () => {
  function weighed(equation: string, axis: number, weights: readonly number[], first = true): Graph {
    const b = new GraphBuilder();
    const at = b.constant("axis", int64([axis]));
    const parts = [3, 1].map((size) => {
      const value = b.conv(`branch${size}`, "x", normal(rng, [3, 3, size, size]), { padding: size >> 1 });
      return b.add("Unsqueeze", `u${size}`, [value, at]);
    });
    const stack = b.add("Concat", "stack", parts, { axis: int(axis) });
    const shares = b.constant("shares", f32([weights.length], Float32Array.from(weights)));
    b.add("Einsum", "y", first ? [shares, stack] : [stack, shares], { equation: string(equation) });
    return b.graph("weighed", [valueInfo("x", [2, 3, 5, 6])], [valueInfo("y", ["a", "b", "c", "d"])]);
  }

  it.each([
    weighed("k,knchw->nchw", 0, [0.3, -1.7]),
    weighed("nkchw, k -> nchw", 1, [0.3, -1.7], false),
    weighed("k,nckhw", 2, [2, 1]),
  ])("is the sum of its parts, each times its weight (%#)", (graph) => {
    const inOrder = graph.nodes.at(-1)!.attributes.equation;
    // Without an arrow the output's labels are in the alphabet's order: c h n w.
    const alone = inOrder?.type === "string" && !inOrder.value.includes("->");
    const pair = foldAndCompare(graph, [2, 3, 5, 6]);
    expect(pair.counts.Conv).toBe(alone ? 2 : 1);
    expect(pair.counts.Einsum ?? 0).toBe(alone ? 1 : 0);
    expect(pair.exactError).toBeLessThan(1e-12);
  });

  it("is none where the output is in another order", () => {
    const pair = foldAndCompare(weighed("k,knchw->nhcw", 0, [1, 2]), [2, 3, 5, 6]);
    expect(pair.counts).toMatchObject({ Conv: 2, Einsum: 1 });
  });

  it("with another weight is not unchanged", () => {
    const graph = weighed("k,knchw->nchw", 0, [0.3, -1.7]);
    const { simplified } = fold(graph).plan;
    expect(whyNotUnchanged(graph, simplified)).toBeUndefined();
    const initializers = new Map(simplified.initializers).set("y.1.factor", f32([], Float32Array.of(-1.6)));
    expect(whyNotUnchanged(graph, { ...simplified, initializers })).toMatch(/Sum/);
  });
});
