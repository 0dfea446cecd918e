import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { int, ints } from "#repvgg/graph/attributes.js";
import { int64, node } from "#repvgg/graph/build.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { type FoldedPair, foldAndCompare, RandomNet } from "./support.js";

const channels = 8;
const shape = [2, channels, 6, 5] as const;
const open = ["n", channels, "h", "w"];

class ChannelNet extends RandomNet {
  slice(output: string, input: string, first: number, last: number): string {
    const bounds = [first, last, 1].map((value, i) => this.constant(`${output}.${i}`, int64([value])));
    return this.add("Slice", output, [input, ...bounds]);
  }

  /** Split on channels into parts of these sizes, named `<name>.0`, … */
  split(name: string, input: string, sizes: readonly number[]): string[] {
    const parts = sizes.map((_, i) => `${name}.${i}`);
    this.nodes.push(
      node("Split", name, [input, this.constant(`${name}.sizes`, int64(sizes))], parts, { axis: int(1) }),
    );
    return parts;
  }

  concat(output: string, parts: readonly string[]): string {
    return this.add("Concat", output, parts, { axis: int(1) });
  }
}

function expectExact(pair: FoldedPair, counts: Record<string, number>): void {
  expect(pair.exactError).toBeLessThanOrEqual(1e-9);
  expect(pair.roundedError).toBeLessThanOrEqual(1e-5);
  expect(pair.counts).toEqual(counts);
}

const formOf = ({ report }: FoldedPair): string[] => report.regions.map(({ form }) => form);

describe("channels that are taken apart and put together", () => {
  it("a slice of a convolution is a convolution with fewer kernels", () => {
    const net = new ChannelNet(1);
    net.slice("y", net.convBn("c", "x", channels, channels, 3, { padding: 1 }), 2, -1);
    const pair = foldAndCompare(net.finish(open, "y"), shape);
    expectExact(pair, { Conv: 1 });
    expect(formOf(pair)).toEqual(["3×3, 8 → 5, stride 1×1, groups 1"]);
  });

  it("split, a BatchNorm for each part, concatenation: one convolution with the one before", () => {
    const net = new ChannelNet(2);
    const [a, b] = net.split("split", net.randomConv("c", "x", channels, 8, 3, { padding: 1, bias: true }), [3, 5]);
    net.concat("y", [net.randomBatchNorm("na", a!, 3), net.randomBatchNorm("nb", b!, 5)]);
    expectExact(foldAndCompare(net.finish(open, "y"), shape), { Conv: 1 });
  });

  it("split, branches for each part, concatenation: one grouped convolution, of as many multiply-accumulates", () => {
    const net = new ChannelNet(3);
    const parts = net.split("split", "x", [4, 4]).map((part, i) => {
      net.convBn(`three${i}`, part, 4, 4, 3, { padding: 1 });
      return net.add("Add", `sum${i}`, [`three${i}`, net.convBn(`one${i}`, part, 4, 4, 1)]);
    });
    const pair = foldAndCompare(net.finish(open, net.concat("y", parts)), shape);
    expectExact(pair, { Conv: 1 });
    expect(formOf(pair)).toEqual(["3×3, 8 → 8, stride 1×1, groups 2"]);
    expect(pair.report.regions[0]!.macsAfter).toBeLessThanOrEqual(pair.report.regions[0]!.macsBefore);
  });

  it("split, a convolution for each part, sum: one dense convolution", () => {
    const net = new ChannelNet(4);
    const [a, b] = net.split("split", "x", [2, 6]);
    net.add("Sub", "y", [
      net.randomConv("a", a!, 2, 4, 3, { padding: 1 }),
      net.randomConv("b", b!, 6, 4, 3, { padding: 1 }),
    ]);
    const pair = foldAndCompare(net.finish(open, "y"), shape);
    expectExact(pair, { Conv: 1 });
    expect(formOf(pair)).toEqual(["3×3, 8 → 4, stride 1×1, groups 1"]);
  });

  it("the old operator sets' Slice and Split have attributes", () => {
    const net = new ChannelNet(5);
    net.randomConv("c", "x", channels, channels, 1);
    net.add(
      "Slice",
      "s",
      ["c"],
      { starts: ints([0, -4]), ends: ints([2 ** 31 - 1, 2 ** 31 - 1]), axes: ints([0, 1]) },
      9,
    );
    net.nodes.push(node("Split", "split", ["s"], ["p", "q"], { axis: int(-3), split: ints([1, 3]) }, 9));
    net.concat("y", ["p", "q"]);
    expectExact(foldAndCompare(net.finish(open, "y"), shape), { Conv: 1 });
  });

  it("channel shuffle by slices: rows in another order", () => {
    const net = new ChannelNet(6);
    const [a, b] = net.split("split", net.convBn("c", "x", channels, channels, 3, { padding: 1 }), [4, 4]);
    expectExact(foldAndCompare(net.finish(open, net.concat("y", [b!, a!])), shape), { Conv: 1 });
  });

  it("features too", () => {
    const net = new ChannelNet(7);
    net.add("GlobalAveragePool", "pool", ["x"]);
    net.add("Flatten", "flat", ["pool"], { axis: int(1) });
    const [a, b] = net.split("split", net.randomBatchNorm("norm", "flat", channels), [4, 4]);
    net.add("Add", "y", [a!, b!]);
    const pair = foldAndCompare(net.finish(open, "y"), shape, { maxCost: 100 });
    expectExact(pair, { GlobalAveragePool: 1, Flatten: 1, Gemm: 1 });
  });
});

describe("channels that stay apart, and why", () => {
  const reasons = (pair: FoldedPair): Record<string, string> =>
    Object.fromEntries(pair.report.refusals.map(({ node: name, reason }) => [name, reason]));

  it("partial convolution (FasterNet): the channels that pass would have to be multiplied", () => {
    const net = new ChannelNet(10);
    const [a, b] = net.split("split", "x", [2, 6]);
    net.concat("partial", [net.randomConv("conv", a!, 2, 2, 3, { padding: 1 }), b!]);
    const hidden = net.add("Relu", "relu", [net.convBn("expand", "partial", channels, 16, 1)]);
    net.add("Add", "y", ["x", net.randomConv("project", hidden, 16, channels, 1)]);
    const pair = foldAndCompare(net.finish(open, "y"), shape);
    expectExact(pair, { Split: 1, Conv: 3, Concat: 1, Relu: 1, Add: 1 });
    expect(reasons(pair)["partial"]).toBe(
      'one convolution from "x" would cost 4.00 × the multiply-accumulates (more than 1)',
    );
    expect(reasons(pair)["expand"]).toMatch(/one convolution from "x" would cost 7\.\d+ ×/);
  });

  it("InceptionNeXt's token mixer: each part's own kernel is smaller than the common one", () => {
    const net = new ChannelNet(11);
    const [a, b, c, d] = net.split("split", "x", [2, 2, 2, 2]);
    net.concat("mixed", [
      a!,
      net.randomConv("square", b!, 2, 2, 3, { padding: 1, groups: 2 }),
      net.randomConv("wide", c!, 2, 2, [1, 5], { padding: [0, 2], groups: 2 }),
      net.randomConv("high", d!, 2, 2, [5, 1], { padding: [2, 0], groups: 2 }),
    ]);
    net.randomBatchNorm("y", "mixed", channels);
    const pair = foldAndCompare(net.finish(open, "y"), shape);
    expectExact(pair, { Split: 1, Conv: 3, Concat: 1, BatchNormalization: 1 });
    expect(reasons(pair)["mixed"]).toMatch(/would cost \d+\.\d+ × the multiply-accumulates/);
    const forced = foldAndCompare(net.finish(open, "y"), shape, { maxCost: 20 });
    expectExact(forced, { Conv: 1 });
    expect(formOf(forced)).toEqual(["5×5, 8 → 8, stride 1×1, groups 8"]);
  });

  it("parts that something else reads, or that are outputs", () => {
    const net = new ChannelNet(12);
    const [a, b] = net.split("split", net.convBn("c", "x", channels, channels, 1), [4, 4]);
    net.concat("y", [net.randomBatchNorm("n", a!, 4), b!]);
    const pair = foldAndCompare(net.finish(open, "y", net.add("Relu", "r", [b!])), shape);
    expectExact(pair, { Conv: 1, Split: 1, BatchNormalization: 1, Concat: 1, Relu: 1 });
    expect(reasons(pair)["y"]).toBe('the value "split.1" in between is also read by Relu "r"');
    expectExact(foldAndCompare(net.finish(open, "y", b!), shape), {
      ...{ Conv: 1, Split: 1, BatchNormalization: 1, Concat: 1 },
    });
  });

  it("a split whose parts go separate ways (CSP)", () => {
    const net = new ChannelNet(13);
    const [a, b] = net.split("split", net.convBn("c", "x", channels, channels, 1), [4, 4]);
    const inner = net.add("Relu", "r", [net.convBn("inner", a!, 4, 4, 3, { padding: 1 })]);
    const pair = foldAndCompare(net.finish(open, net.concat("y", [inner, b!])), shape);
    expectExact(pair, { Conv: 2, Split: 1, Relu: 1, Concat: 1 });
  });

  it("steps, other axes, positions that are computed", () => {
    const reason = (build: (net: ChannelNet) => string): string | undefined => {
      const net = new ChannelNet(14);
      net.randomConv("c", "x", channels, channels, 1);
      const name = build(net);
      const pair = foldAndCompare(net.finish([...shape], name), shape);
      expect(pair.exactError).toBeLessThanOrEqual(1e-9);
      return reasons(pair)[name];
    };
    const constants = (net: ChannelNet, ...values: number[]): string[] =>
      values.map((value, i) => net.constant(`v${i}`, int64([value])));
    expect(reason((net) => net.add("Slice", "s", ["c", ...constants(net, 0, 8, 1, 2)]))).toBe(
      "it takes channels in steps of 2",
    );
    expect(reason((net) => net.add("Slice", "s", ["c", ...constants(net, 1, 4, 2)]))).toBe(
      'one convolution from "x" would cost 2.00 × the multiply-accumulates (more than 1)',
    );
    const graph: Graph = {
      ...new ChannelNet(15).finish([...shape], "y"),
      nodes: [
        node("ReduceMax", "max", ["x"], ["m"], { keepdims: int(0) }),
        node("Cast", "cast", ["m"], ["i"], { to: int(7) }),
        node("Unsqueeze", "un", ["i"], ["end"], { axes: ints([0]) }, 11),
        node("Slice", "s", ["x", "zero", "end", "one"], ["y"]),
      ],
      initializers: new Map([
        ["zero", int64([0])],
        ["one", int64([1])],
      ]),
    };
    expect(reasons(foldAndCompare(graph, shape))["s"]).toBe("where it begins and ends is not constant");
  });
});

const cases = Number(process.env.FOLD_CASES ?? 500);
const partKind = fc.constantFrom("itself", "conv3", "conv1", "batchNorm", "depthwise", "two");
const part = fc.record({ size: fc.integer({ min: 1, max: 4 }), kind: partKind, biased: fc.boolean() });
const splitNet = fc.record({
  seed: fc.nat(),
  before: fc.constantFrom("nothing", "conv1", "depthwise", "grouped"),
  parts: fc.array(part, { minLength: 2, maxLength: 4 }),
  turned: fc.boolean(),
  slices: fc.boolean(),
  after: fc.constantFrom("nothing", "batchNorm", "conv1", "slice", "shortcut"),
  maxCost: fc.constantFrom(1, 100),
  dynamic: fc.boolean(),
});

describe("random splits", () => {
  it(`fold to equal outputs, without more multiply-accumulates (${cases} cases)`, { timeout: cases * 1000 }, () => {
    let folded = 0;
    fc.assert(
      fc.property(splitNet, ({ seed, before, parts, turned, slices, after, maxCost, dynamic }) => {
        const net = new ChannelNet(seed);
        const total = parts.reduce((sum, { size }) => sum + 2 * size, 0);
        let value = "x";
        if (before === "conv1") value = net.convBn("before", "x", total, total, 1);
        if (before === "depthwise") value = net.convBn("before", "x", total, total, 3, { padding: 1, groups: total });
        if (before === "grouped") value = net.randomConv("before", "x", total, total, 1, { groups: 2, bias: true });
        let first = 0;
        const sizes = parts.map(({ size }) => 2 * size);
        const names = slices
          ? sizes.map((size, i) => {
              first += size;
              return net.slice(`slice${i}`, value, first - size, first);
            })
          : net.split("split", value, sizes);
        const made = parts.map(({ kind, size, biased }, i): string => {
          const [name, input, count] = [`part${i}`, names[i]!, 2 * size];
          switch (kind) {
            case "itself":
              return input;
            case "batchNorm":
              return net.randomBatchNorm(name, input, count);
            case "conv1":
              return net.randomConv(name, input, count, count, 1, { bias: biased });
            case "two":
              return net.add("Add", name, [
                net.randomConv(`${name}.a`, input, count, count, 3, { padding: 1, bias: biased }),
                net.convBn(`${name}.b`, input, count, count, 1, { groups: 2 }),
              ]);
            default:
              return net.randomConv(name, input, count, count, 3, {
                padding: 1,
                bias: biased,
                groups: kind === "depthwise" ? count : 1,
              });
          }
        });
        value = net.concat("joined", turned ? made.toReversed() : made);
        if (after === "batchNorm") value = net.randomBatchNorm("after", value, total);
        if (after === "conv1") value = net.convBn("after", value, total, 4, 1);
        if (after === "slice") value = net.slice("after", value, 1, total - 1);
        if (after === "shortcut") value = net.add("Add", "after", [value, "x"]);
        const small = [1, total, 4, 3];
        const graph = net.finish(dynamic ? ["n", total, "h", "w"] : small, value);
        const pair = foldAndCompare(graph, small, { maxCost });
        expect(pair.exactError).toBeLessThanOrEqual(1e-9);
        expect(pair.roundedError).toBeLessThanOrEqual(1e-5);
        if (pair.graph.nodes.length === 1) folded++;
        else expect(pair.report.refusals.length).toBeGreaterThan(0);
      }),
      { numRuns: cases, seed: 4 },
    );
    expect(folded).toBeGreaterThan(cases / 6);
  });
});
