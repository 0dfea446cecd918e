import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { f32 } from "#repvgg/core/named-arrays.js";
import { fold } from "#repvgg/graph/fold.js";
import { int, ints } from "#repvgg/graph/attributes.js";
import { int64, node } from "#repvgg/graph/build.js";
import type { Dimension } from "#repvgg/graph/graph.js";
import { type FoldedPair, foldAndCompare, normal, RandomNet } from "./support.js";

const channels = 4;

/** Layers over any number of axes. */
class SpatialNet extends RandomNet {
  constructor(
    seed: number,
    readonly rank: number,
  ) {
    super(seed);
  }

  every(value: number): number[] {
    return new Array<number>(this.rank).fill(value);
  }

  window(
    name: string,
    input: string,
    kernel: readonly number[],
    pads: readonly number[],
    groups = 1,
    stride = 1,
  ): string {
    const weight = this.constant(`${name}.w`, normal(this.rng, [channels, channels / groups, ...kernel], 0.3));
    return this.add("Conv", name, [input, weight], {
      kernel_shape: ints(kernel),
      pads: ints(pads),
      strides: ints(this.every(stride)),
      group: int(groups),
    });
  }

  same(name: string, input: string, size: number, groups = 1, stride = 1): string {
    const pad = (size - 1) / 2;
    return this.window(name, input, this.every(size), [...this.every(pad), ...this.every(pad)], groups, stride);
  }

  /** `positions[axis]` = [start, end, step]; axes of positions from 0. */
  slice(
    name: string,
    input: string,
    cuts: readonly (readonly [axis: number, start: number, end: number, step: number])[],
  ): string {
    const constant = (what: string, index: number): string =>
      this.constant(`${name}.${what}`, int64(cuts.map((cut) => cut[index]! + (index === 0 ? 2 : 0))));
    const inputs = [input, constant("starts", 1), constant("ends", 2), constant("axes", 0), constant("steps", 3)];
    return this.add("Slice", name, inputs);
  }
}

function expectExact(pair: FoldedPair, counts: Record<string, number>): void {
  expect(pair.exactError).toBeLessThanOrEqual(1e-9);
  expect(pair.roundedError).toBeLessThanOrEqual(1e-5);
  expect(pair.counts).toEqual(counts);
}

const sizes = (rank: number, open: boolean): Dimension[] =>
  open ? ["n", channels, ...["d", "h", "w"].slice(3 - rank)] : [2, channels, ...[5, 7, 6].slice(3 - rank)];
const shape = (rank: number): number[] => sizes(rank, false) as number[];
const toTheEnd = 2 ** 31 - 1;

describe.each([1, 2, 3])("blocks over %i axes", (rank) => {
  it.each([true, false])("RepVGG's three branches, of an open size: %s", (open) => {
    const net = new SpatialNet(1, rank);
    const dense = net.randomBatchNorm("dense.bn", net.same("dense", "x", 3, 2), channels);
    const point = net.randomBatchNorm("point.bn", net.same("point", "x", 1, 2), channels);
    net.add("Add", "sum", [dense, point]);
    net.add("Relu", "y", [net.add("Add", "all", ["sum", net.randomBatchNorm("identity", "x", channels)])]);
    const pair = foldAndCompare(net.finish(sizes(rank, open), "y"), shape(rank));
    expectExact(pair, { Conv: 1, Relu: 1 });
    const kernel = pair.graph.initializers.get("all.weight")!;
    expect(kernel.shape).toEqual([channels, channels / 2, ...net.every(3)]);
  });

  it("averages, pads and scalars before a convolution", () => {
    const net = new SpatialNet(2, rank);
    const pads = [0, 0, ...net.every(1), 0, 0, ...net.every(1)];
    net.add("Pad", "padded", ["x", net.constant("pads", int64(pads))]);
    net.add("AveragePool", "pool", ["padded"], { kernel_shape: ints(net.every(3)) });
    net.add("Add", "sum", ["pool", net.same("c", "x", 3)]);
    net.add("Div", "y", ["sum", net.constant("two", f32([], Float32Array.of(2)))]);
    expectExact(foldAndCompare(net.finish(sizes(rank, true), "y"), shape(rank)), { Conv: 1 });
  });

  it("a pad of some axes, as the operator has them since opset 18", () => {
    for (const axes of [[-1], Array.from({ length: rank }, (_, axis) => axis + 2)]) {
      const net = new SpatialNet(3, rank);
      const inputs = [
        "x",
        net.constant("pads", int64([...axes, ...axes].map((_, i) => 1 + (i % 2)))),
        "",
        net.constant("axes", int64(axes)),
      ];
      net.window("y", net.add("Pad", "padded", inputs), net.every(3), net.every(0).concat(net.every(0)));
      expectExact(foldAndCompare(net.finish(sizes(rank, true), "y"), shape(rank)), { Conv: 1 });
    }
    const batch = new SpatialNet(3, rank);
    const inputs = ["x", batch.constant("pads", int64([1, 1])), "", batch.constant("axes", int64([1 - rank - 2]))];
    batch.add("Pad", "y", inputs);
    const { report } = fold(batch.finish(sizes(rank, true), "y"));
    expect(report.refusals).toMatchObject([{ node: "y", reason: "it pads the batch or the channels" }]);
  });

  it("a scale between two convolutions of unlike rank knowledge: the rank comes from the readers", () => {
    const net = new SpatialNet(4, rank);
    const hidden = net.add("Custom", "hidden", ["x"]);
    net.nodes[0] = { ...net.nodes[0]!, domain: "elsewhere" };
    net.add("Add", "y", [net.randomBatchNorm("identity", hidden, channels), net.same("c", hidden, 3)]);
    net.add("Add", "z", [net.add("Relu", "r", ["y"]), net.same("d", "r", 1)]);
    const { graph } = fold(net.finish(sizes(rank, true), "z"));
    expect(graph.nodes.map(({ op }) => op)).toEqual(["Custom", "Conv", "Relu", "Conv"]);
    expect(graph.initializers.get("y.weight")!.shape).toEqual([channels, channels, ...net.every(3)]);
  });

  it("ACB with less padding than its kernel: branches that read a crop", () => {
    for (const open of [true, false]) {
      const net = new SpatialNet(5, rank);
      const zero = net.every(0);
      net.window("full", "x", net.every(3), [...zero, ...zero]);
      let sum = "full";
      for (let axis = 0; axis < rank; axis++) {
        const kernel = net.every(1).with(axis, 3);
        const cuts = zero.flatMap((_, other) => (other === axis ? [] : [[other, 1, -1, 1] as const]));
        const input = cuts.length > 0 ? net.slice(`crop${axis}`, "x", cuts) : "x";
        const branch = net.randomBatchNorm(
          `bn${axis}`,
          net.window(`line${axis}`, input, kernel, [...zero, ...zero]),
          channels,
        );
        sum = net.add("Add", `sum${axis}`, [sum, branch]);
      }
      const pair = foldAndCompare(net.finish(sizes(rank, open), sum), shape(rank));
      expectExact(pair, { Conv: 1 });
      expect(pair.graph.initializers.get(`${sum}.weight`)!.shape.slice(2)).toEqual(net.every(3));
    }
  });
});

describe("other ways to write crops and sums", () => {
  it("Split of rows, of which some are not read", () => {
    const net = new SpatialNet(6, 2);
    net.nodes.push(
      node("Split", "split", ["x", net.constant("parts", int64([1, 5, 1]))], ["above", "rows", "below"], {
        axis: int(-2),
      }),
    );
    net.add("Add", "y", [net.window("c", "x", [3, 1], [0, 0, 0, 0]), net.window("d", "rows", [1, 1], [0, 0, 0, 0])]);
    expectExact(foldAndCompare(net.finish(shape(2), "y"), shape(2)), { Conv: 1 });
    const { graph, report } = fold(net.finish(sizes(2, true), "y"));
    expect(graph.nodes).toHaveLength(4);
    expect(report.refusals).toMatchObject([
      { node: "split", reason: expect.stringContaining("an input size that is not known") },
      { node: "y" },
    ]);
  });

  it("Gather of rows in equal steps; of others it stays", () => {
    const build = (...rows: number[]): RandomNet => {
      const net = new SpatialNet(7, 2);
      net.add("Gather", "rows", ["x", net.constant("at", int64(rows))], { axis: int(2) });
      net.window("y", "rows", [1, 1], [0, 0, 0, 0]);
      return net;
    };
    expectExact(foldAndCompare(build(1, 2, 3, -3).finish(shape(2), "y"), shape(2), { maxCost: 9 }), { Conv: 1 });
    expectExact(foldAndCompare(build(0, 2, 4, 6).finish(shape(2), "y"), shape(2), { maxCost: 9 }), { Conv: 1 });
    expectExact(foldAndCompare(build(1, 2, 4).finish(shape(2), "y"), shape(2), { maxCost: 9 }), { Conv: 1, Gather: 1 });
    expectExact(foldAndCompare(build(3, 2, 1).finish(shape(2), "y"), shape(2), { maxCost: 9 }), { Conv: 1, Gather: 1 });
  });

  it("Mean of branches", () => {
    const net = new SpatialNet(8, 2);
    net.add("Mean", "y", [net.same("a", "x", 3), net.same("b", "x", 1), "x"]);
    expectExact(foldAndCompare(net.finish(sizes(2, true), "y"), shape(2)), { Conv: 1 });
  });

  it.each([
    ["ReduceSum", 0, true],
    ["ReduceMean", 1, true],
    ["ReduceSum", 1, false],
  ])("%s over axis %i along which branches were stacked (only over that one: %s)", (op, axis, folds) => {
    const net = new SpatialNet(9, 2);
    const axes = net.constant("axes", int64([axis]));
    const parts = [net.same("a", "x", 3), net.same("b", "x", 1)].map((part) =>
      net.add("Unsqueeze", `${part}.new`, [part, axes]),
    );
    net.add("Concat", "stacked", parts, { axis: int(axis) });
    if (op === "ReduceMean") net.add(op, "y", ["stacked"], { axes: ints([axis]), keepdims: int(0) });
    else net.add(op, "y", ["stacked", folds ? axes : net.constant("other", int64([2]))], { keepdims: int(0) });
    const pair = foldAndCompare(net.finish(shape(2), "y"), shape(2));
    expectExact(pair, folds ? { Conv: 1 } : { Conv: 2, Unsqueeze: 2, Concat: 1, ReduceSum: 1 });
  });

  it("a Reshape, an Expand and a Cast in between that change nothing", () => {
    const net = new SpatialNet(10, 2);
    net.add("Reshape", "r", [net.same("a", "x", 3), net.constant("target", int64([0, 0, 0, 0]))]);
    net.add("Expand", "e", ["r", net.constant("ones", int64([1, 1, 1, 1]))]);
    net.add("Cast", "cast", ["e"], { to: int(1) });
    net.randomBatchNorm("y", "cast", channels);
    expectExact(foldAndCompare(net.finish(sizes(2, true), "y"), shape(2)), { Conv: 1 });
  });
});

const cut = fc.record({
  axis: fc.nat(),
  start: fc.integer({ min: 0, max: 2 }),
  end: fc.integer({ min: 0, max: 2 }),
  step: fc.constantFrom(1, 1, 2),
});
const step = fc.record({
  kind: fc.constantFrom("window", "point", "norm", "slice", "scale", "average", "pad"),
  kernel: fc.constantFrom(1, 3),
  groups: fc.constantFrom(1, 2, 4),
  cuts: fc.array(cut, { minLength: 1, maxLength: 2 }),
});
const network = fc.record({
  seed: fc.nat(),
  rank: fc.constantFrom(1, 2, 3),
  steps: fc.array(step, { minLength: 1, maxLength: 4 }),
  sum: fc.boolean(),
  open: fc.boolean(),
  maxCost: fc.constantFrom(1, 1000),
});
const cases = Number(process.env.FOLD_CASES ?? 600);

describe("random chains of windows, slices and pads over one to three axes", () => {
  it(`fold to equal outputs (${cases} cases)`, { timeout: cases * 1000 }, () => {
    let whole = 0;
    fc.assert(
      fc.property(network, ({ seed, rank, steps, sum, open, maxCost }) => {
        const net = new SpatialNet(seed, rank);
        const zero = [...net.every(0), ...net.every(0)];
        let value = "x";
        const chain = (suffix: string): string => {
          value = "x";
          steps.forEach(({ kind, kernel, groups, cuts }, i) => {
            const name = `${kind}${i}${suffix}`;
            if (kind === "window") value = net.window(name, value, net.every(kernel), zero, groups);
            if (kind === "point") value = net.same(name, value, 1, groups);
            if (kind === "norm") value = net.randomBatchNorm(name, value, channels);
            if (kind === "scale") value = net.add("Mul", name, [net.constant(`${name}.s`, normal(net.rng, [])), value]);
            if (kind === "average") value = net.add("AveragePool", name, [value], { kernel_shape: ints(net.every(2)) });
            if (kind === "pad") {
              const pads = [0, 0, ...net.every(1), 0, 0, ...net.every(i % 2)];
              value = net.add("Pad", name, [value, net.constant(`${name}.p`, int64(pads))]);
            }
            if (kind === "slice") {
              const once = cuts.filter(({ axis }, j) => cuts.findIndex((c) => c.axis % rank === axis % rank) === j);
              value = net.slice(
                name,
                value,
                once.map(({ axis, start, end, step: by }) => [axis % rank, start, end === 0 ? toTheEnd : -end, by]),
              );
            }
          });
          return value;
        };
        const y = sum ? net.add("Sub", "y", [chain(".a"), chain(".b")]) : chain("");
        const large = [1, channels, ...[9, 11, 10].slice(3 - rank)];
        const graph = net.finish(open ? sizes(rank, true) : large, y);
        const pair = foldAndCompare(graph, large, { maxCost });
        expect(pair.exactError).toBeLessThanOrEqual(1e-9);
        expect(pair.roundedError).toBeLessThanOrEqual(Math.max(1e-5, 1e-8 * pair.cancellation));
        if (pair.graph.nodes.length === 1) whole++;
      }),
      { numRuns: cases, seed: 5 },
    );
    expect(whole).toBeGreaterThan(cases / 5);
  });
});
