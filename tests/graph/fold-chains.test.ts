import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { f32 } from "#repvgg/core/named-arrays.js";
import { Dataflow } from "#repvgg/fold/dataflow.js";
import { sumChains } from "#repvgg/fold/sum-chains.js";
import { fold } from "#repvgg/graph/fold.js";
import { int } from "#repvgg/graph/attributes.js";
import { valueInfo } from "#repvgg/graph/build.js";
import type { GraphNode } from "#repvgg/graph/graph.js";
import { type FoldedPair, foldAndCompare, normal, RandomNet } from "./support.js";

const channels = 4;
const shape = [2, channels, 6, 5] as const;
const open = ["n", channels, "h", "w"];

function expectExact(pair: FoldedPair, counts: Record<string, number>): void {
  expect(pair.exactError).toBeLessThanOrEqual(1e-9);
  expect(pair.roundedError).toBeLessThanOrEqual(1e-5);
  expect(pair.counts).toEqual(counts);
}

/** A net with a shortcut from elsewhere, `s`, and two branches of x, `a` and `b`. */
function shortcutNet(seed: number): RandomNet {
  const net = new RandomNet(seed);
  net.add("Sigmoid", "s", ["x"]);
  net.convBn("a", "x", channels, channels, 3, { padding: 1 });
  net.convBn("b", "x", channels, channels, 1);
  return net;
}

describe("sums across a shortcut", () => {
  it.each([
    ["(s + a) + b", (net: RandomNet) => net.add("Add", "y", [net.add("Add", "t", ["s", "a"]), "b"])],
    ["(a + s) + b", (net: RandomNet) => net.add("Add", "y", [net.add("Add", "t", ["a", "s"]), "b"])],
    ["a + (s − b)", (net: RandomNet) => net.add("Add", "y", ["a", net.add("Sub", "t", ["s", "b"])])],
    ["(s − a) − b", (net: RandomNet) => net.add("Sub", "y", [net.add("Sub", "t", ["s", "a"]), "b"])],
    ["a − (b − s)", (net: RandomNet) => net.add("Sub", "y", ["a", net.add("Sub", "t", ["b", "s"])])],
    ["Sum(s + a, b, x)", (net: RandomNet) => net.add("Sum", "y", [net.add("Add", "t", ["s", "a"]), "b", "x"])],
    [
      "((s + x) + a) + s",
      (net: RandomNet) => net.add("Add", "y", [net.add("Add", "u", [net.add("Add", "t", ["s", "x"]), "a"]), "s"]),
    ],
  ])("%s: one convolution", (text, build) => {
    const net = shortcutNet(1);
    const pair = foldAndCompare(net.finish(open, build(net)), shape);
    const sums = Object.entries(pair.counts).filter(([op]) => op === "Add" || op === "Sub");
    expect(sums.reduce((total, [, count]) => total + count, 0)).toBe(text.startsWith("((") ? 2 : 1);
    expect(pair.counts).toMatchObject({ Conv: 1, Sigmoid: 1 });
    expectExact(pair, pair.counts);
  });

  it("of two nodes' terms: what is linear in each becomes one convolution of it", () => {
    const net = shortcutNet(2);
    net.add("Relu", "z", ["s"]);
    net.convBn("c", "z", channels, channels, 3, { padding: 1 });
    const pairs = [net.add("Add", "p", ["a", "c"]), net.add("Sub", "q", ["z", "b"])];
    expectExact(foldAndCompare(net.finish(open, net.add("Add", "y", pairs)), shape), {
      ...{ Conv: 2, Sigmoid: 1, Relu: 1, Add: 1 },
    });
  });

  it("biases added in between go into the convolution; position embeddings stay", () => {
    const net = shortcutNet(3);
    const bias = net.constant("bias", normal(net.rng, [channels, 1, 1]));
    const position = net.constant("position", normal(net.rng, [1, channels, 6, 5]));
    let sum = net.add("Sub", "t1", ["s", bias]);
    sum = net.add("Add", "t2", [sum, "a"]);
    sum = net.add("Add", "t3", [sum, position]);
    const pair = foldAndCompare(net.finish([2, channels, 6, 5], net.add("Add", "y", [sum, "b"])), shape);
    expectExact(pair, { Conv: 1, Sigmoid: 1, Add: 2 });
  });

  it("on features too: two fully connected branches around another value", () => {
    const net = new RandomNet(4);
    net.add("Flatten", "flat", ["x"], { axis: int(1) });
    const size = channels * 30;
    const layer = (name: string): string =>
      net.add(
        "Gemm",
        name,
        [
          "flat",
          net.constant(`${name}.w`, normal(net.rng, [5, size])),
          net.constant(`${name}.b`, normal(net.rng, [5])),
        ],
        {
          transB: int(1),
        },
      );
    net.add("Tanh", "s", [layer("g")]);
    const y = net.add("Add", "y", [net.add("Add", "t", ["s", layer("a")]), layer("b")]);
    const pair = foldAndCompare(net.finish([2, channels, 6, 5], y), shape);
    expectExact(pair, { Flatten: 1, Gemm: 2, Tanh: 1, Add: 1 });
  });

  it("a dense term between depthwise ones: those fold, the dense one stays, as all together would cost more", () => {
    const net = new RandomNet(5);
    net.convBn("large", "x", channels, channels, 5, { padding: 2, groups: channels });
    net.convBn("dense", "x", channels, channels, 1);
    net.convBn("small", "x", channels, channels, 3, { padding: 1, groups: channels });
    const y = net.add("Add", "y", [net.add("Add", "t", ["large", "dense"]), "small"]);
    const pair = foldAndCompare(net.finish(open, y), shape);
    expectExact(pair, { Conv: 2, Add: 1 });
    expect(pair.report.regions.map(({ form }) => form)).toContain("5×5, 4 → 4, stride 1×1, groups 4");
    expect(pair.report.refusals).toMatchObject([{ node: "y", reason: expect.stringContaining("would cost") }]);
  });

  it("the new convolution has a name of its own, since no value in the given graph was its", () => {
    const net = shortcutNet(6);
    net.constant("y.linear", normal(net.rng, [channels, 1, 1]));
    net.add("Add", "y", [net.add("Add", "t", ["s", "a"]), "b"]);
    net.add("Mul", "z", ["y", "y.linear"]);
    const { graph, report } = fold(net.finish(open, "z"));
    expect(graph.nodes.map(({ name, outputs }) => [name, outputs[0]])).toEqual([
      ["s", "s"],
      ["y.linear_1", "y.linear_1"],
      ["y", "y"],
      ["z", "z"],
    ]);
    expect(report.regions[0]).toMatchObject({ output: "y.linear_1", source: "x" });
    expect(report.refusals).toMatchObject([
      { node: "y", reason: expect.stringContaining('"s" (given by Sigmoid "s")') },
    ]);
  });
});

describe("sums that stay as they are", () => {
  it("where bracketing gains nothing, to the last node", () => {
    const net = shortcutNet(10);
    const graph = net.finish(open, net.add("Add", "y", [net.add("Add", "t", ["a", "b"]), "s"]));
    expect(fold(graph).graph.nodes.map(({ outputs }) => outputs[0])).toEqual(["s", "t", "y"]);
  });

  it.each([
    ["a sum in between is read by something else", "t"],
    ["a branch is read by something else", "a"],
  ])("where %s", (_, read) => {
    const net = shortcutNet(11);
    net.add("Add", "y", [net.add("Add", "t", ["s", "a"]), "b"]);
    const graph = net.finish(open, "y", net.add("Relu", "other", [read]));
    expectExact(foldAndCompare(graph, shape), { Conv: 2, Sigmoid: 1, Relu: 1, Add: 2 });
    expectExact(foldAndCompare(net.finish(open, "y", read), shape), { Conv: 2, Sigmoid: 1, Add: 2 });
  });

  it("a branch that something else reads is one more shortcut to the others", () => {
    const net = shortcutNet(12);
    net.add("Relu", "other", ["a"]);
    net.add("Add", "y", [net.add("Add", "t", ["x", "a"]), "b"]);
    expectExact(foldAndCompare(net.finish(open, "y", "other"), shape), { Conv: 2, Relu: 1, Add: 1 });
  });

  it("branches of unequal strides, and others of the middle's stride fold", () => {
    const net = new RandomNet(13);
    net.convBn("a", "x", channels, channels, 3, { padding: 1, stride: 2 });
    net.convBn("m", "x", channels, channels, [4, 3]); // 6×5 → 3×3 by chance
    net.convBn("b", "x", channels, channels, 1, { stride: 2 });
    const y = net.add("Sub", "y", [net.add("Add", "t", ["a", "m"]), "b"]);
    const pair = foldAndCompare(net.finish([...shape], y), shape);
    expectExact(pair, { Conv: 2, Add: 1 });
    expect(pair.report.refusals).toMatchObject([{ node: "y", reason: expect.stringContaining("unequal strides") }]);
  });

  it("a chain longer than anybody writes", () => {
    const net = shortcutNet(14);
    let sum = "s";
    for (let i = 0; i < 5000; i++) sum = net.add("Add", `t${i}`, [sum, i % 2 ? "x" : "s"]);
    expect(fold(net.finish(open, sum)).graph.nodes.length).toBe(5001);
  });
});

it("chains are flattened with their signs, and end where a value is read twice", () => {
  const net = new RandomNet(20);
  const names = ["p", "q", "r", "v", "w"];
  net.add("Sub", "t", ["p", "q"]);
  net.add("Sub", "u", ["r", "t"]);
  net.add("Add", "y", ["u", "v"]);
  net.add("Add", "double", ["y", "y"]);
  net.add("Sum", "z", ["double", "w", "p"]);
  const graph = { ...net.finish(open, "z"), inputs: names.map((name) => valueInfo(name, open)) };
  const [first, second, ...others] = sumChains(graph, new Dataflow(graph));
  expect(others).toEqual([]);
  expect(first!.terms).toEqual([
    { value: "r", sign: 1 },
    { value: "p", sign: -1 },
    { value: "q", sign: 1 },
    { value: "v", sign: 1 },
  ]);
  expect(second!.terms.map(({ value }) => value)).toEqual(["y", "y", "w", "p"]);
  expect(second!.nodes.map(({ name }) => name)).toEqual(["double", "z"]);
});

const cases = Number(process.env.FOLD_CASES ?? 500);
const kind = fc.constantFrom("conv3", "conv1", "batchNorm", "itself");
const chain = fc.record({
  seed: fc.nat(),
  /** Of x: at least a convolution and one more. */
  ours: fc.array(kind, { minLength: 1, maxLength: 4 }),
  /** Of r = ReLU(x), with a convolution before them where there is any. */
  theirs: fc.array(kind, { maxLength: 3 }),
  others: fc.integer({ min: 0, max: 3 }),
  shift: fc.boolean(),
  dynamic: fc.boolean(),
  /** How the terms are bracketed: which two of what is left come next, and whether the second is subtracted. */
  joins: fc.array(fc.tuple(fc.nat(), fc.nat(), fc.boolean()), { minLength: 12, maxLength: 12 }),
});

describe("random chains of sums and differences", () => {
  it(`have one convolution for each source, however they are bracketed (${cases} cases)`, {
    timeout: cases * 1000,
  }, () => {
    fc.assert(
      fc.property(chain, ({ seed, ours, theirs, others, shift, dynamic, joins }) => {
        const net = new RandomNet(seed);
        const term = (name: string, input: string, what: typeof kind extends fc.Arbitrary<infer T> ? T : never) => {
          if (what === "itself") return input;
          if (what === "batchNorm") return net.randomBatchNorm(name, input, channels);
          return what === "conv1"
            ? net.convBn(name, input, channels, channels, 1)
            : net.randomConv(name, input, channels, channels, 3, { padding: 1, bias: true });
        };
        const parts = ["conv3" as const, ...ours].map((what, i) => term(`x${i}`, "x", what));
        if (theirs.length > 0) {
          const r = net.add("Relu", "r", ["x"]);
          parts.push(...["conv1" as const, ...theirs].map((what, i) => term(`r${i}`, r, what)));
        }
        for (let i = 0; i < others; i++) parts.push(net.add(["Sigmoid", "Tanh", "Softplus"][i]!, `other${i}`, ["x"]));
        if (shift)
          parts.push(net.constant("shift", f32([channels, 1, 1], normal(net.rng, [channels]).data as Float32Array)));
        for (let j = 0; parts.length > 1; j++) {
          const [a, b, minus] = joins[j]!;
          const left = parts.splice(a % parts.length, 1)[0]!;
          const at = b % parts.length;
          parts[at] = net.add(minus ? "Sub" : "Add", `join${j}`, [left, parts[at]!]);
        }
        const small = [1, channels, 4, 3];
        const graph = net.finish(dynamic ? open : small, parts[0]!);
        const pair = foldAndCompare(graph, small, { maxCost: 100 });
        expect(pair.exactError).toBeLessThanOrEqual(1e-9);
        expect(pair.roundedError).toBeLessThanOrEqual(1e-5);
        const sources = theirs.length > 0 ? 2 : 1;
        const sums = pair.graph.nodes.filter(({ op }: GraphNode) => op === "Add" || op === "Sub").length;
        expect([pair.counts["Conv"], sums]).toEqual([sources, sources + others - 1]);
      }),
      { numRuns: cases, seed: 3 },
    );
  });
});
