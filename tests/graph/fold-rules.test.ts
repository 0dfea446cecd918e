import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { refusalKinds } from "#repvgg/fold/refusals.js";
import { rules } from "#repvgg/fold/rules.js";
import { int, ints, string } from "#repvgg/graph/attributes.js";
import { int64, node, valueInfo } from "#repvgg/graph/build.js";
import { fold } from "#repvgg/graph/fold.js";
import type { AttributeValue, Dimension } from "#repvgg/graph/graph.js";
import { examples } from "../../scripts/snapshots/fold-examples.mjs";
import { foldAndCompare, normal, RandomNet } from "./support.js";

const root = fileURLToPath(new URL("../../", import.meta.url));

type Attributes = Record<string, AttributeValue>;

interface Case {
  readonly build: (net: Net) => void;
  readonly shape?: readonly Dimension[];
  readonly computed?: readonly Dimension[];
  readonly dtype?: NamedArray["dtype"];
  /** Of x. */
  readonly type?: NamedArray["dtype"];
}

class Net extends RandomNet {
  floats(name: string, ...shape: number[]): string {
    return this.constant(name, normal(this.rng, shape));
  }
  whole(name: string, ...values: number[]): string {
    return this.constant(name, int64(values));
  }
  up(output: string, input: string, options: Attributes = { strides: ints([2, 2]) }): string {
    return this.add("ConvTranspose", output, [input, this.floats(`${output}.w`, 4, 4, 2, 2)], options);
  }
  padding(output: string, input: string, ...value: string[]): string {
    return this.add("Pad", output, [input, this.whole("pads", 0, 0, 1, 1, 0, 0, 1, 1), ...value]);
  }
  cut(output: string, input: string, begin: number, end: number, axis: number, step = 1): string {
    const names = [
      ["b", begin],
      ["e", end],
      ["a", axis],
      ["s", step],
    ] as const;
    return this.add("Slice", output, [input, ...names.map(([name, at]) => this.whole(`${output}.${name}`, at))]);
  }
  pool(output: string, input: string, kernel: number, attributes: Attributes = {}, stride = 1): string {
    return this.add("AveragePool", output, [input], {
      kernel_shape: ints([kernel, kernel]),
      strides: ints([stride, stride]),
      ...attributes,
    });
  }
}
const statistics = (net: Net, ...shape: number[]) => ["g", "b", "m", "v"].map((name) => net.floats(name, ...shape));
const closed: readonly Dimension[] = ["n", 4, 7, 7];
const one = (net: Net, bias = false) => net.randomConv("c", "x", 4, 4, 1, { bias });

function quantizedWeights(net: Net, ...shape: number[]): string {
  const data = Int8Array.from({ length: shape.reduce((n, size) => n * size, 1) }, (_, i) => (i * 7) % 120);
  return net.add("DequantizeLinear", "w", [
    net.constant("q", { dtype: "i8", shape, data }),
    net.constant("s", f32([], Float32Array.of(0.01))),
  ]);
}

/** "rule: kind" → a net in which a node is refused so. */
const cases: Record<string, Case> = {
  "batch-norm: training-mode": {
    build: (net) =>
      net.nodes.push(
        node("BatchNormalization", "y", [one(net), ...statistics(net, 4)], ["y"], { training_mode: int(1) }, 14),
      ),
  },
  "batch-norm: varies-over-positions": {
    shape: closed,
    build: (net) => net.add("BatchNormalization", "y", [one(net), ...statistics(net, 4, 7, 7)], { spatial: int(0) }, 7),
  },
  "batch-norm: computed": {
    computed: [4],
    build: (net) => net.add("BatchNormalization", "y", [one(net), ...statistics(net, 4).with(2, "computed")]),
  },
  "scale-and-shift: varies-over-positions": {
    shape: closed,
    build: (net) => net.add("Mul", "y", [one(net), net.floats("k", 7, 7)]),
  },
  "scale-and-shift: channels": {
    build: (net) => net.add("Mul", "y", [net.randomConv("c", "x", 4, 1, 1), net.floats("k", 3, 1, 1)]),
  },
  "scale-and-shift: not-linear": { build: (net) => net.add("Div", "y", [net.floats("k", 1), one(net)]) },
  "sum: no-common-source": { build: (net) => net.add("Add", "y", [net.add("Relu", "r", ["x"]), one(net)]) },
  "sum: channels": { build: (net) => net.add("Add", "y", [one(net), net.randomConv("d", "x", 4, 1, 1)]) },
  "sum: strides": { build: (net) => net.add("Add", "y", [one(net), net.randomConv("d", "x", 4, 4, 1, { stride: 2 })]) },
  "sum: sizes": { build: (net) => net.add("Add", "y", [one(net), net.randomConv("d", "x", 4, 4, 3)]) },
  "mean: no-common-source": { build: (net) => net.add("Mean", "y", [net.add("Relu", "r", ["x"]), one(net)]) },
  "mean: channels": { build: (net) => net.add("Mean", "y", [one(net), net.randomConv("d", "x", 4, 1, 1)]) },
  "mean: strides": {
    build: (net) => net.add("Mean", "y", [one(net), net.randomConv("d", "x", 4, 4, 1, { stride: 2 })]),
  },
  "mean: sizes": { build: (net) => net.add("Mean", "y", [one(net), net.randomConv("d", "x", 4, 4, 3)]) },
  "composition: computed": { computed: [4, 4, 1, 1], build: (net) => net.add("Conv", "y", [one(net), "computed"]) },
  "composition: quantized": { build: (net) => net.add("Conv", "y", [one(net), quantizedWeights(net, 4, 4, 1, 1)]) },
  "composition: unknown-size": {
    build: (net) =>
      net.add("Conv", "y", [one(net), net.floats("w", 4, 4, 3, 3)], {
        auto_pad: string("SAME_UPPER"),
        strides: ints([2, 2]),
      }),
  },
  "composition: no-weights": { build: (net) => net.add("Conv", "y", [one(net), net.floats("w", 0, 4, 3, 3)]) },
  "composition: bias-before-padding": { build: (net) => net.randomConv("y", one(net, true), 4, 4, 3, { padding: 1 }) },
  "composition: input-beyond-the-edge": {
    build: (net) => net.randomConv("y", net.randomConv("c", "x", 4, 4, 3, { padding: 1 }), 4, 4, 3, { padding: 1 }),
  },
  "composition: strided-and-transposed": {
    build: (net) => net.randomConv("y", net.up("c", "x"), 4, 4, 1, { stride: 2 }),
  },
  "transposed: computed": {
    computed: [4, 4, 1, 1],
    build: (net) => net.add("ConvTranspose", "y", [one(net), "computed"]),
  },
  "transposed: quantized": {
    build: (net) => net.add("ConvTranspose", "y", [one(net), quantizedWeights(net, 4, 4, 1, 1)]),
  },
  "transposed: unknown-size": {
    build: (net) =>
      net.add("ConvTranspose", "y", [one(net), net.floats("w", 4, 4, 3, 3)], {
        auto_pad: string("SAME_UPPER"),
        strides: ints([2, 2]),
      }),
  },
  "transposed: no-weights": { build: (net) => net.add("ConvTranspose", "y", [one(net), net.floats("w", 4, 0, 3, 3)]) },
  "transposed: bias-before-transposed": { build: (net) => net.up("y", one(net, true)) },
  "transposed: strided-and-transposed": {
    build: (net) => net.up("y", net.randomConv("c", "x", 4, 4, 1, { stride: 2 })),
  },
  "transposed: input-beyond-the-edge": {
    build: (net) =>
      net.add("ConvTranspose", "y", [net.randomConv("c", "x", 4, 4, 3, { padding: 1 }), net.floats("w", 4, 4, 3, 3)]),
  },
  "average-pool: unknown-size": {
    build: (net) => net.pool("y", one(net), 3, { auto_pad: string("SAME_LOWER"), count_include_pad: int(1) }, 2),
  },
  "average-pool: uncounted-padding": {
    build: (net) => net.pool("y", one(net), 3, { pads: ints([1, 1, 1, 1]) }),
  },
  "average-pool: incomplete-windows": {
    shape: closed,
    build: (net) => net.pool("y", one(net), 2, { ceil_mode: int(1) }, 2),
  },
  "average-pool: bias-before-padding": {
    build: (net) => net.pool("y", one(net, true), 3, { pads: ints([1, 1, 1, 1]), count_include_pad: int(1) }),
  },
  "average-pool: input-beyond-the-edge": {
    build: (net) =>
      net.pool("y", net.randomConv("c", "x", 4, 4, 3, { padding: 1 }), 3, {
        pads: ints([1, 1, 1, 1]),
        count_include_pad: int(1),
      }),
  },
  "average-pool: strided-and-transposed": { build: (net) => net.pool("y", net.up("c", "x"), 2, {}, 2) },
  "pad: pad-mode": {
    build: (net) =>
      net.add("Pad", "y", [one(net), net.whole("p", 0, 0, 1, 1, 0, 0, 1, 1)], { mode: string("reflect") }),
  },
  "pad: computed": { computed: [8], dtype: "i64", build: (net) => net.add("Pad", "y", [one(net), "computed"]) },
  "pad: batch-or-channels": { build: (net) => net.add("Pad", "y", [one(net), net.whole("p", 0, 1, 1, 1, 0, 0, 1, 1)]) },
  "pad: bias-before-padding": { build: (net) => net.padding("y", one(net, true)) },
  "pad: pad-value": {
    build: (net) => net.padding("y", one(net, true), net.constant("v", f32([], Float32Array.of(9)))),
  },
  "pad: input-beyond-the-edge": { build: (net) => net.padding("y", net.randomConv("c", "x", 4, 4, 3, { padding: 1 })) },
  "border-write: border": { shape: [1, 4, 2, 2], build: (net) => border(net, one(net), (at) => at === 0 || at === 5) },
  "border-write: pad-value": { shape: [1, 4, 2, 2], build: (net) => border(net, one(net, true), onlyBorder) },
  "border-write: input-beyond-the-edge": {
    shape: [1, 4, 2, 2],
    build: (net) => {
      border(net, net.randomConv("c", "x", 4, 4, 3, { padding: 1 }), onlyBorder, 0);
      net.randomConv("z", "y", 4, 4, 3);
    },
  },
  "split: computed": { computed: [2], dtype: "i64", build: (net) => split(net, "computed", 1) },
  "split: unknown-size": { build: (net) => split(net, net.whole("sizes", 2, 2), 2) },
  "split: channel-steps": { build: (net) => net.cut("y", one(net), 0, 4, 1, 2) },
  "crop: computed": {
    computed: [1],
    dtype: "i64",
    build: (net) => net.add("Slice", "y", [one(net), "computed", net.whole("e", 3), net.whole("a", 2)]),
  },
  "crop: unknown-size": { build: (net) => net.cut("y", one(net), 0, 5, 2) },
  "crop: batch-or-channels": { build: (net) => net.cut("y", one(net), 0, 1, 0) },
  "crop: backwards": { shape: closed, build: (net) => net.cut("y", one(net), -1, -100, 2, -1) },
  "crop: channel-steps": {
    shape: closed,
    build: (net) =>
      net.add("Slice", "y", [
        one(net),
        net.whole("b", 0, 1),
        net.whole("e", 4, 6),
        net.whole("a", 1, 2),
        net.whole("s", 2, 1),
      ]),
  },
  "crop: strided-and-transposed": { shape: closed, build: (net) => net.cut("y", net.up("c", "x"), 0, 14, 2, 2) },
  "concat: strides": {
    build: (net) =>
      net.add("Concat", "y", [one(net), net.randomConv("d", "x", 4, 4, 1, { stride: 2 })], { axis: int(1) }),
  },
  "concat: sizes": {
    build: (net) => net.add("Concat", "y", [one(net), net.randomConv("d", "x", 4, 4, 3)], { axis: int(1) }),
  },
  "matrix: quantized": {
    shape: ["n", 4],
    build: (net) => net.add("Gemm", "y", ["x", quantizedWeights(net, 4, 4)]),
  },
  "matrix: computed": { shape: ["n", 4], computed: [4, 4], build: (net) => net.add("Gemm", "y", ["x", "computed"]) },
  "matrix: transposed-input": {
    shape: [4, 4],
    build: (net) => net.add("Gemm", "y", ["x", net.floats("w", 4, 4)], { transA: int(1) }),
  },
  "matrix: constant-on-the-left": {
    shape: [4, 4],
    build: (net) => net.add("MatMul", "y", [net.floats("w", 4, 4), "x"]),
  },
  "matrix: varies-over-positions": {
    shape: [3, 4],
    build: (net) => net.add("Gemm", "y", ["x", net.floats("w", 4, 4), net.floats("b", 3, 1)]),
  },
  "batch-norm: read-elsewhere": {
    build: (net) => {
      net.randomBatchNorm("y", one(net), 4);
      net.add("Add", "z", ["y", net.add("Relu", "r", ["c"])]);
    },
  },
  "composition: cost": {
    build: (net) => net.randomConv("y", net.randomConv("c", "x", 4, 4, 3, { groups: 4 }), 4, 4, 1),
  },
  "average-pool: free-now": { build: (net) => net.pool("y", net.padding("p", "x"), 3) },
  "pad: alone": { build: (net) => net.padding("y", net.add("Mul", "m", ["x", net.floats("k", 1)])) },
  "scale-and-shift: as-many-nodes": {
    build: (net) => net.add("Add", "y", [net.add("Mul", "m", ["x", net.floats("k", 1)]), net.floats("t", 1)]),
  },
  "scale-and-shift: overflow": {
    shape: ["n", 1, "h", "w"],
    type: "f16",
    build: (net) => {
      const half = (name: string, bits: number, ...shape: number[]) =>
        net.constant(name, { dtype: "f16", shape, data: Uint16Array.of(bits) });
      net.add("Mul", "y", [net.add("Conv", "c", ["x", half("w", 0x7b00, 1, 1, 1, 1)]), half("k", 0x4000)]);
    },
  },
  "pass-through: training-mode": {
    build: (net) => {
      net.constant("on", { dtype: "bool", shape: [], data: Uint8Array.of(1) });
      net.add("Dropout", "y", [one(net), "", "on"]);
    },
  },
};

const onlyBorder = (at: number): boolean => [0, 3].includes(at % 4) || [0, 3].includes(Math.floor(at / 4));
function border(net: Net, input: string, where: (at: number) => boolean, value = 9): void {
  const mask = {
    dtype: "bool" as const,
    shape: [1, 1, 4, 4],
    data: Uint8Array.from({ length: 16 }, (_, at) => +where(at)),
  };
  net.add("Where", "y", [
    net.constant("mask", mask),
    net.constant("k", f32([], Float32Array.of(value))),
    net.padding("padded", input),
  ]);
}
function split(net: Net, sizes: string, axis: number): void {
  net.nodes.push(node("Split", "y", [one(net), sizes], ["p", "q"], { axis: int(axis) }));
  net.add("Relu", "r", ["p"]);
  net.add("Relu", "z", ["q"]);
}

const ofRegions = new Set(Object.entries(refusalKinds).flatMap(([kind, { ofRegion }]) => (ofRegion ? [kind] : [])));

describe("the registry", () => {
  it("has every rule and every kind of refusal once, and a page for each", () => {
    const ids = rules.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of [...ids, "regions"]) expect(existsSync(join(root, `docs/fold/${id}.md`)), id).toBe(true);
    for (const { refuses } of rules) expect(refuses.filter((kind) => ofRegions.has(kind))).toEqual([]);
  });

  it("lists for each rule exactly the refusals that come from it: the cases below", () => {
    const listed = rules.flatMap(({ id, refuses }) => refuses.map((kind) => `${id}: ${kind}`));
    const provoked = Object.keys(cases).filter((name) => !ofRegions.has(name.split(": ")[1]!));
    expect(provoked.sort()).toEqual(listed.sort());
    const regional = Object.keys(cases)
      .flatMap((name) => name.split(": ")[1]!)
      .filter((kind) => ofRegions.has(kind));
    expect(regional.sort()).toEqual([...ofRegions].sort());
  });
});

describe("a refusal", () => {
  it.each(Object.entries(cases))("%s", (name, { build, shape, computed, dtype, type }) => {
    const net = new Net(31);
    build(net);
    const made = net.finish(shape ?? ["n", 4, "h", "w"], net.nodes.at(-1)!.outputs[0]!);
    const x = valueInfo("x", shape ?? ["n", 4, "h", "w"], type);
    const { report } = fold({ ...made, inputs: [x, valueInfo("computed", computed ?? [1], dtype)] });
    const found = report.refusals.find((refusal) => refusal.node === "y")!;
    expect(`${found.rule}: ${found.kind}`).toBe(name);
    expect(found.remedy).toBe(refusalKinds[found.kind].remedy);
    expect(found.page).toBe(`docs/fold/${ofRegions.has(found.kind) ? "regions" : found.rule}.md`);
  });
});

describe("the pictures of docs/fold", () => {
  it.each(Object.entries(examples))("%s folds to equal outputs, by its rule", (page, make) => {
    const graph = make();
    const shape = graph.inputs[0]!.shape!.map((size, axis) => (typeof size === "number" ? size : axis === 0 ? 2 : 6));
    const pair = foldAndCompare(graph, shape);
    expect(pair.exactError).toBeLessThan(1e-9);
    expect(pair.report.nodesAfter).toBeLessThan(pair.report.nodesBefore);
    const used = pair.report.regions.flatMap(({ steps }) => steps.map(({ rule }) => rule));
    if (rules.some(({ id }) => id === page)) expect(used).toContain(page);
  });
});
