import { describe, expect, it } from "vitest";
import { batchNormHypotheses } from "#repvgg/analysis/diagnosis/batch-norm.js";
import { blockView, pairValues } from "#repvgg/analysis/diagnosis/blocks.js";
import {
  comparable,
  cosine,
  distance,
  geometryOfNode,
  inCommonFrame,
  type Kernel,
  kernelOfNode,
  withGroups,
} from "#repvgg/analysis/diagnosis/kernel.js";
import { elementCount, f32, type NamedArray, toFloat64 } from "#repvgg/core/named-arrays.js";
import { Rng } from "#repvgg/core/rng.js";
import { float, int, ints, string } from "#repvgg/graph/attributes.js";
import type { Dimension, GraphNode } from "#repvgg/graph/graph.js";
import { convolve } from "#repvgg/verify/proof/convolve.js";
import { verifyModels } from "#repvgg/verify/verify-models.js";
import { RandomNet } from "../../graph/support.js";

function kernel(groups: number, seed = 1): Kernel {
  const rng = new Rng(seed);
  const numbers = (count: number) => Float64Array.from({ length: count }, () => rng.normal());
  return {
    ...{ outChannels: 8, inChannels: 12, groups, kernelSize: [2, 3], strides: [1, 1], pads: [0, 0, 0, 0] },
    ...{ dilations: [1, 1], weight: numbers((8 * 12 * 6) / groups), bias: numbers(8) },
  };
}

/** What a kernel makes of a random input. */
function applied({ weight, bias, ...geometry }: Kernel): Float64Array {
  const rng = new Rng(2);
  const value = Float64Array.from({ length: 12 * 5 * 5 }, () => rng.normal());
  return convolve({ shape: [1, 12, 5, 5], value, magnitude: value.map(Math.abs) }, weight, bias, geometry).value;
}

it.each([
  [4, 2],
  [4, 1],
  [2, 1],
  [4, 4],
])("a kernel of %i groups written with %i is the same map", (groups, fewer) => {
  const own = kernel(groups);
  const other = withGroups(own, fewer);
  expect(other.groups).toBe(fewer);
  const [a, b] = [applied(own), applied(other)];
  a.forEach((value, i) => void expect(b[i]).toBeCloseTo(value, 12));
  expect(distance(own, other)).toMatchObject({ weight: 0, bias: 0 });
});

it("kernels of other groups meet in the groups that both can be written with", () => {
  const [a, b] = inCommonFrame(withGroups(kernel(4), 2), kernel(4, 3));
  expect([a.groups, b.groups]).toEqual([2, 2]);
  expect(distance(kernel(4), kernel(4, 3))!.weight).toBeGreaterThan(0.5);
});

describe("kernels of nodes", () => {
  const numbers = (...shape: number[]): NamedArray => {
    const rng = new Rng(shape.reduce((sum, size) => 7 * sum + size, 1));
    return f32(
      shape,
      Float32Array.from({ length: elementCount(shape) }, () => rng.normal()),
    );
  };
  const node = (op: string, attributes: GraphNode["attributes"] = {}, inputs = ["x", "w"], domain = ""): GraphNode => ({
    ...{ name: "n", op, domain, inputs, outputs: ["y"], attributes },
  });
  const of = (made: GraphNode, constants: Record<string, NamedArray>, shape?: readonly Dimension[]) =>
    kernelOfNode(made, new Map(Object.entries(constants)), shape);
  const pointwise = {
    ...{ outChannels: 4, inChannels: 3, groups: 1 },
    ...{ kernelSize: [1, 1], strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1] },
  };

  it("that are fully connected are those of 1×1 convolutions", () => {
    const [w, b, one] = [numbers(3, 4), numbers(4), numbers(1)];
    const turned = Float64Array.from({ length: 12 }, (_, at) => Number(w.data[(at % 3) * 4 + Math.floor(at / 3)]));
    const zero = new Float64Array(4);
    expect(of(node("MatMul"), { w })).toEqual({ ...pointwise, weight: turned, bias: zero });
    expect(of(node("Gemm"), { w })).toEqual({ ...pointwise, weight: turned, bias: zero });
    const scaled = node("Gemm", { alpha: float(2), beta: float(3) }, ["x", "w", "b"]);
    expect(of(scaled, { w, b })).toEqual({
      ...pointwise,
      weight: turned.map((value) => 2 * value),
      bias: toFloat64(b).map((value) => 3 * value),
    });
    expect(of(scaled, { w, b: one })!.bias).toEqual(new Float64Array(4).fill(3 * Number(one.data[0])));
    expect(of(node("MatMul", { alpha: float(2) }), { w })!.weight).toEqual(turned);
    const transposed = numbers(4, 3);
    expect(of(node("Gemm", { transB: int(1) }), { w: transposed })).toEqual({
      ...{ ...pointwise, weight: toFloat64(transposed), bias: zero },
    });
  });

  it("that are convolutions have their attributes, with ONNX's defaults", () => {
    const [w, b] = [numbers(4, 3, 2, 5), numbers(4)];
    const plain = { ...pointwise, kernelSize: [2, 5], weight: toFloat64(w), bias: new Float64Array(4) };
    expect(of(node("Conv"), { w })).toEqual(plain);
    expect(of(node("Conv", {}, ["x", "w", "b"]), { w, b })!.bias).toEqual(toFloat64(b));
    const attributes = {
      ...{ group: int(2), strides: ints([2, 3]), pads: ints([1, 2, 3, 4]), dilations: ints([5, 6]) },
    };
    expect(of(node("Conv", attributes), { w })).toEqual({
      ...{ ...plain, inChannels: 6, groups: 2, strides: [2, 3], pads: [1, 2, 3, 4], dilations: [5, 6] },
    });
    const shapes = new Map<string, readonly Dimension[]>([
      ["x", ["n", 6, 20, 20]],
      ["y", ["n", 4, 11, 7]],
    ]);
    const { weight: _, bias: __, ...geometry } = of(node("Conv", attributes), { w })!;
    expect(geometryOfNode(node("Conv", attributes), shapes, new Map([["w", w]]))).toEqual(geometry);
    const sized = node("Conv", { ...attributes, kernel_shape: ints([2, 5]) });
    expect(geometryOfNode(sized, shapes, new Map())).toEqual(geometry);
    expect(geometryOfNode(node("Conv", attributes), shapes, new Map())).toBeUndefined();
    expect(geometryOfNode(node("Gemm"), shapes, new Map())).toEqual({ ...pointwise, inChannels: 6 });
    for (const name of ["x", "y"]) {
      const open = new Map(shapes).set(name, ["n", "c", 20, 20]);
      expect(geometryOfNode(sized, open, new Map())).toBeUndefined();
    }
    const same = node("Conv", { auto_pad: string("SAME_UPPER") });
    expect(of(same, { w }, [1, 3, 9, 9])!.pads).toEqual([0, 2, 1, 2]);
    const known = new Map<string, readonly Dimension[]>([...shapes, ["w", w.shape], ["x", [1, 6, 9, 10]]]);
    const strided = node("Conv", { ...same.attributes, group: int(2), strides: ints([2, 2]) });
    expect(geometryOfNode(strided, known, new Map([["w", w]]))!.pads).toEqual([0, 1, 1, 2]);
  });

  it.each<[string, GraphNode, Record<string, NamedArray>]>([
    ["of another domain", node("Conv", {}, ["x", "w"], "com.other"), { w: numbers(4, 3, 2, 5) }],
    ["of another operator", node("ConvTranspose"), { w: numbers(4, 3, 2, 5) }],
    ["of computed weights", node("Conv"), {}],
    ["of a computed bias", node("Conv", {}, ["x", "w", "b"]), { w: numbers(4, 3, 2, 5) }],
    ["of one axis", node("Conv"), { w: numbers(4, 3, 2) }],
    ["of three axes", node("Conv"), { w: numbers(4, 3, 2, 2, 2) }],
    ["that are stacked matrices", node("MatMul"), { w: numbers(2, 3, 4) }],
    ["that are vectors", node("MatMul"), { w: numbers(3) }],
  ])("there are none %s", (_, made, constants) => expect(of(made, constants)).toBeUndefined());

  it("are compared where they map the same channels with the same strides", () => {
    const base = { ...kernel(1), pads: [0, 1, 1, 2] };
    const grown = { ...base, kernelSize: [4, 7], pads: [1, 2, 2, 5] };
    const changes: readonly (readonly [Partial<Kernel>, boolean])[] = [
      [{}, true],
      [{ groups: 2 }, true],
      [{ outChannels: 9 }, false],
      [{ inChannels: 9 }, false],
      ...[
        [2, 1],
        [1, 2],
      ].map((strides) => [{ strides }, false] as const),
      ...[
        [2, 1],
        [1, 2],
      ].map((dilations) => [{ dilations }, false] as const),
      [{ kernelSize: [4, 7], pads: [1, 2, 2, 5] }, true],
      [{ kernelSize: [4, 7], pads: [0, 2, 2, 5] }, false],
      [{ kernelSize: [4, 7], pads: [1, 2, 2, 4] }, false],
      [{ kernelSize: [1, 1], pads: [0, 0, 0, 1], dilations: [2, 3] }, true],
      [{ kernelSize: [1, 2], pads: [0, 0, 0, 2], dilations: [2, 3] }, false],
    ];
    for (const [change, expected] of changes) {
      expect(comparable(base, { ...base, ...change }), JSON.stringify(change)).toBe(expected);
      expect(comparable({ ...base, ...change }, base), JSON.stringify(change)).toBe(expected);
    }
    expect(comparable(base, grown)).toBe(true);
  });
});

it("distances are relative to the reference, in multiples of float32's rounding, and infinite beside infinity", () => {
  const base = { ...kernel(1), weight: Float64Array.of(3, 4), bias: Float64Array.of(0.6, 0.8) };
  const one = { ...base, outChannels: 2, inChannels: 1, kernelSize: [1, 1] };
  const apart = (change: Partial<Kernel>) => distance(one, { ...one, ...change });
  const [weights, biases] = [2 ** 20, 2 ** 17];
  expect(apart({})).toEqual({ weight: 0, bias: 0, score: 0 });
  expect(apart({ weight: Float64Array.of(3, 4.5) })).toEqual({ weight: 0.1, bias: 0, score: 0.1 * weights });
  expect(apart({ bias: Float64Array.of(0.6, 1) })!.bias).toBeCloseTo(0.2, 12);
  expect(apart({ bias: Float64Array.of(0.6, 1) })!.score).toBeCloseTo(0.2 * biases, 6);
  const small = { ...one, bias: Float64Array.of(0, 0) };
  expect(distance(small, { ...small, bias: Float64Array.of(0, 0.05) })!.bias).toBeCloseTo(1, 12);
  expect(apart({ weight: Float64Array.of(3, Number.NaN) })).toMatchObject({ weight: Number.POSITIVE_INFINITY });
  const infinite = { ...one, weight: Float64Array.of(3, Number.POSITIVE_INFINITY) };
  expect(
    distance(infinite, { ...infinite, weight: Float64Array.of(3.3, Number.POSITIVE_INFINITY) })!.weight,
  ).toBeCloseTo(0.1, 12);
  expect(distance(infinite, one)!.weight).toBe(Number.POSITIVE_INFINITY);
  const nothing = { ...one, weight: new Float64Array(2) };
  expect(distance(nothing, nothing)).toMatchObject({ weight: 0 });
  expect(distance(nothing, one)!.weight).toBe(Number.POSITIVE_INFINITY);
  expect(cosine(one, { ...one, weight: Float64Array.of(-6, -8) })).toBeCloseTo(-1, 12);
  expect(cosine(one, { ...one, weight: Float64Array.of(4, -3) })).toBe(0);
  expect(cosine(one, nothing)).toBe(0);
});

it("ε of BatchNorm is guessed among those of the other side, then of the usual frameworks, told apart by its digits", async () => {
  const { train } = await import("./tiny.js");
  const own = blockView(train).blocks[1]!;
  const guesses = (otherEpsilons: number[]): string[] =>
    batchNormHypotheses({
      ...{ block: own, kernel: own.kernel(), observed: own.kernel(), first: false, otherEpsilons },
      batchStatistics: () => undefined,
    })[0]!
      .filter(({ cause }) => cause === "batch-norm-epsilon")
      .map(({ what }) => /^has ε = (.*) instead of 0\.00001 in BatchNorm$/.exec(what)![1]!);
  const usual = ["0.001", "0.0001", "0.000001", "0.01", "0.00002", "0.00001001", "0.003", "1e-7", "0 (or next to it)"];
  expect(guesses([])).toEqual(usual);
  expect(guesses([1e-5, 0.5, 1e-3])).toEqual(["0.5", ...usual]);
});

it("a batch's statistics are tried where they were measured for every BatchNorm of the block", async () => {
  const { train } = await import("./tiny.js");
  const own = blockView(train).blocks[1]!;
  const names = own.region.nodes.filter(({ op }) => op === "BatchNormalization").map(({ name }) => name);
  expect(names.length).toBeGreaterThan(1);
  const predicted = (measured: readonly string[] | undefined): Kernel | undefined => {
    const channels = own.kernel().outChannels;
    const [mean, variance] = [0.5, 4].map((value) => new Float64Array(channels).fill(value)) as [
      Float64Array,
      Float64Array,
    ];
    const [, tier] = batchNormHypotheses({
      ...{ block: own, kernel: own.kernel(), observed: own.kernel(), first: false, otherEpsilons: [] },
      batchStatistics: () => measured && new Map(measured.map((name) => [name, { mean, variance }])),
    });
    expect(tier!.map(({ cause }) => cause)).toEqual(["batch-norm-training-mode"]);
    return tier![0]!.predict();
  };
  expect(predicted(undefined)).toBeUndefined();
  for (const missing of names) expect(predicted(names.filter((name) => name !== missing))).toBeUndefined();
  expect(distance(predicted(names)!, own.kernel())!.score).toBeGreaterThan(100);
});

it("convolutions without the optional kernel_shape are compared", async () => {
  const net = new RandomNet(3);
  net.randomConv("y", "x", 3, 4, [3, 5], { padding: [1, 2] });
  const graph = net.finish([1, 3, 8, 8], "y");
  const bare = {
    ...graph,
    nodes: graph.nodes.map(({ attributes: { kernel_shape: _, ...attributes }, ...node }) => ({ ...node, attributes })),
  };
  expect(blockView(bare).blocks[0]!.geometry).toEqual(blockView(graph).blocks[0]!.geometry);
  expect(pairValues(bare, graph)).toEqual([{ reference: "y", candidate: "y" }]);
  const rng = new Rng(4);
  const input = { shape: [2, 3, 8, 8], data: Float32Array.from({ length: 384 }, () => rng.normal()) };
  expect(await verifyModels(bare, graph, [input], {})).toMatchObject({ verdict: "same", values: [{ name: "y" }] });
});
