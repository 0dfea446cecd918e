import { describe, expect, it } from "vitest";
import { f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { int, ints, string } from "#repvgg/graph/attributes.js";
import { int64, valueInfo } from "#repvgg/graph/build.js";
import { fold } from "#repvgg/graph/fold.js";
import type { Dimension, Graph } from "#repvgg/graph/graph.js";
import { normal, RandomNet } from "./support.js";

const open: readonly Dimension[] = ["n", 4, "h", "w"];
const closed: readonly Dimension[] = ["n", 4, 7, 7];

/** Builds a net on `x` and the graph's input `computed` (numbers that are known only when it runs); returns the node that is refused. */
type Build = (net: RandomNet) => string;

function reasonOf(
  build: Build,
  shape: readonly Dimension[],
  computed: readonly Dimension[],
  dtype: NamedArray["dtype"],
) {
  const net = new RandomNet(21);
  net.randomConv("c", "x", 4, 4, 1);
  const name = build(net);
  const last = net.nodes.at(-1)!.outputs[0]!;
  const made = net.finish(shape, last);
  const graph: Graph = { ...made, inputs: [...made.inputs, valueInfo("computed", computed, dtype)] };
  const { graph: folded, report } = fold(graph);
  expect(folded.nodes.some((node) => node.name === name)).toBe(true);
  return report.refusals.find(({ node }) => node === name)?.reason;
}

const vector = (net: RandomNet, name: string, ...values: number[]): string => net.constant(name, int64(values));
const floats = (net: RandomNet, name: string, ...shape: number[]): string => net.constant(name, normal(net.rng, shape));
const statistics = (net: RandomNet, size: number): string[] =>
  ["gamma", "beta", "mean", "variance"].map((name) => floats(net, name, size));

const cases: readonly {
  readonly reason: string;
  readonly build: Build;
  readonly shape?: readonly Dimension[];
  readonly computed?: readonly Dimension[];
  readonly dtype?: NamedArray["dtype"];
}[] = [
  {
    reason: "its padding depends on an input size that is not known",
    build: (net) =>
      net.add("Conv", "y", ["c", floats(net, "w", 4, 4, 3, 3)], {
        auto_pad: string("SAME_UPPER"),
        strides: ints([2, 2]),
      }),
  },
  {
    reason: "its padding depends on an input size that is not known",
    build: (net) =>
      net.add("AveragePool", "y", ["c"], {
        kernel_shape: ints([3, 3]),
        auto_pad: string("SAME_LOWER"),
        strides: ints([2, 2]),
        count_include_pad: int(1),
      }),
  },
  {
    reason: "with ceil_mode its last windows may be incomplete",
    shape: closed,
    build: (net) =>
      net.add("AveragePool", "y", ["c"], { kernel_shape: ints([2, 2]), strides: ints([2, 2]), ceil_mode: int(1) }),
  },
  {
    reason: "with ceil_mode its last windows may be incomplete",
    build: (net) =>
      net.add("AveragePool", "y", ["c"], { kernel_shape: ints([2, 2]), strides: ints([1, 2]), ceil_mode: int(1) }),
  },
  {
    reason: "its weight is not a constant",
    build: (net) => net.add("Conv", "y", ["c", floats(net, "w", 4, 4, 1, 1), "computed"]),
    computed: [4],
  },
  {
    reason: "its weight is not a constant",
    build: (net) => net.add("ConvTranspose", "y", ["c", "computed"]),
    computed: [4, 4, 1, 1],
  },
  {
    reason: "its weight of shape [0, 4, 1, 1] is not a convolution's",
    build: (net) => net.add("Conv", "y", ["c", floats(net, "w", 0, 4, 1, 1)]),
  },
  {
    reason: "its weight of shape [4, 0, 1, 1] is not a convolution's",
    build: (net) => net.add("ConvTranspose", "y", ["c", floats(net, "w", 4, 0, 1, 1)]),
  },
  {
    reason: "BatchNormalization with spatial = 0 is not per channel",
    shape: closed,
    build: (net) => {
      const names = ["gamma", "beta", "mean", "variance"].map((name) => floats(net, name, 4, 7, 7));
      return net.add("BatchNormalization", "y", ["c", ...names], { spatial: int(0) }, 7);
    },
  },
  {
    reason: "its scale, bias or statistics are not constants",
    build: (net) => net.add("BatchNormalization", "y", ["c", ...statistics(net, 4).with(2, "computed")]),
    computed: [4],
  },
  {
    reason: "its pads are not constants",
    build: (net) => net.add("Pad", "y", ["c", "computed"]),
    computed: [8],
    dtype: "i64",
  },
  {
    reason: "its pad value is not a constant",
    build: (net) => net.add("Pad", "y", ["c", vector(net, "pads", 0, 0, 1, 1, 0, 0, 1, 1), "computed"]),
    computed: [],
  },
  {
    reason: "it pads the batch or the channels",
    build: (net) => net.add("Pad", "y", ["c", vector(net, "pads", 0, 1, 1, 1, 0, 0, 1, 1)]),
  },
  {
    reason: "it takes a part of the batch",
    build: (net) => net.add("Slice", "y", ["c", vector(net, "s", 0), vector(net, "e", 1), vector(net, "a", 0)]),
  },
  {
    reason: "it takes positions backwards",
    shape: closed,
    build: (net) =>
      net.add("Slice", "y", [
        "c",
        vector(net, "s", -1),
        vector(net, "e", -100),
        vector(net, "a", 2),
        vector(net, "step", -1),
      ]),
  },
  {
    reason: "which positions it takes depends on an input size that is not known",
    build: (net) => net.add("Slice", "y", ["c", vector(net, "s", 0), vector(net, "e", 5), vector(net, "a", 2)]),
  },
  {
    reason: "it takes channels in steps of 2",
    build: (net) =>
      net.add("Slice", "y", [
        "c",
        vector(net, "s", 0),
        vector(net, "e", 4),
        vector(net, "a", 1),
        vector(net, "step", 2),
      ]),
  },
  {
    reason: "a constant divided by a value is not linear",
    build: (net) => net.add("Div", "y", [floats(net, "one", 1), "c"]),
  },
  {
    reason: "its constant of shape [7, 7] varies over positions, not only over channels",
    shape: closed,
    build: (net) => net.add("Mul", "y", ["c", floats(net, "k", 7, 7)]),
  },
  {
    reason: "Dropout in training mode is random: export the model in evaluation mode",
    build: (net) => {
      net.constant("on", { dtype: "bool", shape: [], data: Uint8Array.of(1) });
      return net.add("Dropout", "y", ["c", "", "on"]);
    },
  },
  {
    reason: "the sizes of its parts are not constants",
    build: (net) => {
      net.nodes.push({
        name: "y",
        op: "Split",
        domain: "",
        inputs: ["c", "computed"],
        outputs: ["a", "b"],
        attributes: { axis: int(1) },
      });
      net.add("Add", "z", ["a", "b"]);
      return "y";
    },
    computed: [2],
    dtype: "i64",
  },
];

describe("why a node was not folded", () => {
  it.each(cases.map((c, i) => [`${c.reason} (${i})`, c] as const))("%s", (_, c) => {
    expect(reasonOf(c.build, c.shape ?? open, c.computed ?? [1], c.dtype ?? "f32")).toBe(c.reason);
  });

  it.each([
    ["it transposes its input", { transA: int(1) }, false],
    ["its weight is not a constant", {}, true],
  ] as const)("of a fully connected layer: %s", (reason, attributes, computed) => {
    const net = new RandomNet(22);
    net.add("Gemm", "g", ["x", computed ? "w" : floats(net, "w", 4, 4)], attributes);
    net.add("Gemm", "y", ["g", floats(net, "v", 4, 4)]);
    const made = net.finish([4, 4], "y");
    const { report } = fold({ ...made, inputs: [...made.inputs, valueInfo("w", [4, 4])] });
    expect(report.refusals).toContainEqual(expect.objectContaining({ node: "g", op: "Gemm", reason }));
  });

  it("of a product whose left side is a constant", () => {
    const net = new RandomNet(23);
    net.constant("left", f32([4, 4], new Float32Array(16)));
    net.add("MatMul", "y", ["left", "x"]);
    expect(fold(net.finish([4, 4], "y")).report.refusals).toMatchObject([
      { node: "y", op: "MatMul", reason: "its left side is a constant", kind: "constant-on-the-left" },
    ]);
  });
});

describe("what just folds beside those", () => {
  const counts = (build: Build, shape: readonly Dimension[]): number => {
    const net = new RandomNet(24);
    net.randomConv("c", "x", 4, 4, 1);
    build(net);
    return fold(net.finish(shape, net.nodes.at(-1)!.outputs[0]!), { maxCost: 100 }).graph.nodes.length;
  };

  it("a pool in ceil_mode whose windows are whole", () => {
    const pool = (net: RandomNet) =>
      net.add("AveragePool", "y", ["c"], { kernel_shape: ints([3, 3]), strides: ints([2, 2]), ceil_mode: int(1) });
    expect(counts(pool, closed)).toBe(1);
    expect(counts(pool, ["n", 4, 8, 7])).toBe(2);
    expect(counts(pool, ["n", 4, 7, 8])).toBe(2);
  });

  it("a pool that counts no padding, where there is none", () => {
    const pool = (net: RandomNet) => net.add("AveragePool", "y", ["c"], { kernel_shape: ints([2, 2]) });
    expect(counts(pool, open)).toBe(1);
  });

  it("SAME padding of stride 1, and of known sizes", () => {
    const same = (stride: number) => (net: RandomNet) =>
      net.add("Conv", "y", ["c", floats(net, "w", 4, 4, 3, 3)], {
        auto_pad: string("SAME_UPPER"),
        strides: ints([stride, stride]),
      });
    expect(counts(same(1), open)).toBe(1);
    expect(counts(same(2), closed)).toBe(1);
  });
});
