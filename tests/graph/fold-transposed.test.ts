import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fold } from "#repvgg/graph/fold.js";
import { int, ints, string } from "#repvgg/graph/attributes.js";
import { int64 } from "#repvgg/graph/build.js";
import type { AttributeValue } from "#repvgg/graph/graph.js";
import { type FoldedPair, foldAndCompare, normal, RandomNet } from "./support.js";

/** Transposed convolutions over any number of axes. */
class TransposedNet extends RandomNet {
  up(
    name: string,
    input: string,
    from: number,
    to: number,
    kernel: readonly number[],
    attributes: Record<string, AttributeValue> = {},
    bias = true,
  ): string {
    const group = attributes["group"]?.type === "int" ? attributes["group"].value : 1;
    const weight = this.constant(`${name}.w`, normal(this.rng, [from, to / group, ...kernel], 0.4));
    const inputs = [input, weight, ...(bias ? [this.constant(`${name}.b`, normal(this.rng, [to]))] : [])];
    return this.add("ConvTranspose", name, inputs, { kernel_shape: ints(kernel), ...attributes });
  }
}

function expectExact(pair: FoldedPair, counts: Record<string, number>): void {
  expect(pair.exactError).toBeLessThanOrEqual(1e-9);
  expect(pair.roundedError).toBeLessThanOrEqual(1e-5);
  expect(pair.counts).toEqual(counts);
}

const two = { strides: ints([2, 2]) };

describe("BatchNormalization and scales around a transposed convolution", () => {
  it.each<[string, number, number, readonly number[], Record<string, AttributeValue>]>([
    ["2×2, stride 2", 6, 4, [2, 2], two],
    ["equal channels", 4, 4, [2, 2], two],
    ["4×4, padded, output padding", 4, 6, [4, 4], { ...two, pads: ints([1, 0, 2, 1]), output_padding: ints([1, 0]) }],
    ["two groups, 1×5", 4, 6, [1, 5], { group: int(2), strides: ints([1, 3]) }],
    ["depthwise, dilated", 4, 4, [3, 2], { ...two, group: int(4), dilations: ints([2, 3]) }],
    ["SAME_UPPER", 4, 6, [3, 4], { ...two, auto_pad: string("SAME_UPPER") }],
    ["SAME_LOWER", 4, 6, [3, 4], { ...two, auto_pad: string("SAME_LOWER") }],
    ["an output shape", 4, 6, [3, 3], { ...two, output_shape: ints([9, 8]) }],
    ["an output shape beyond what the input reaches", 4, 6, [2, 2], { ...two, output_shape: ints([11, 9]) }],
    ["VALID", 4, 6, [3, 3], { ...two, auto_pad: string("VALID") }],
  ])("go into it: %s", (_, from, to, kernel, attributes) => {
    const net = new TransposedNet(1);
    net.randomBatchNorm("norm", net.up("up", "x", from, to, kernel, attributes), to);
    net.add("Mul", "y", ["norm", net.constant("k", normal(net.rng, [to, 1, 1]))]);
    const pair = foldAndCompare(net.finish([2, from, 5, 4], "y"), [2, from, 5, 4]);
    expectExact(pair, { ConvTranspose: 1 });
    expect(pair.report.regions[0]).toMatchObject({ op: "ConvTranspose", nodes: ["up", "norm", "y"] });
  });

  it.each([1, 3])("over %i axes", (rank) => {
    const net = new TransposedNet(2);
    const kernel = [3, 2, 4].slice(3 - rank);
    net.randomBatchNorm("y", net.up("up", "x", 4, 6, kernel, { strides: ints([2, 1, 3].slice(3 - rank)) }), 6);
    expectExact(
      foldAndCompare(net.finish(["n", 4, ...["d", "h", "w"].slice(3 - rank)], "y"), [
        2,
        4,
        ...[3, 4, 3].slice(3 - rank),
      ]),
      {
        ConvTranspose: 1,
      },
    );
  });

  it("of an open size, unless its pads depend on that", () => {
    const build = (attributes: Record<string, AttributeValue>): TransposedNet => {
      const net = new TransposedNet(3);
      net.randomBatchNorm("y", net.up("up", "x", 4, 6, [3, 3], { ...two, ...attributes }), 6);
      return net;
    };
    expectExact(foldAndCompare(build({}).finish(["n", 4, "h", "w"], "y"), [2, 4, 5, 4]), { ConvTranspose: 1 });
    const { graph, report } = fold(build({ auto_pad: string("SAME_UPPER") }).finish(["n", 4, "h", "w"], "y"));
    expect(graph.nodes.map(({ op }) => op)).toEqual(["ConvTranspose", "BatchNormalization"]);
    expect(report.refusals).toMatchObject([
      { node: "up", reason: "its padding depends on an input size that is not known" },
    ]);
  });

  it("with stride 1 it is a convolution, and folds as one", () => {
    const net = new TransposedNet(4);
    net.add("Add", "sum", [
      net.up("up", "x", 4, 4, [3, 3], { pads: ints([1, 1, 1, 1]) }),
      net.randomConv("c", "x", 4, 4, 3, { padding: 1 }),
    ]);
    net.add("Add", "y", ["sum", "x"]);
    expectExact(foldAndCompare(net.finish(["n", 4, "h", "w"], "y"), [2, 4, 5, 4]), { Conv: 1 });
  });

  it("sums of equal strides are one; so is a crop of its output", () => {
    const net = new TransposedNet(5);
    const sum = net.add("Sub", "sum", [
      net.up("a", "x", 4, 4, [4, 4], { ...two, pads: ints([1, 1, 1, 1]) }),
      net.up("b", "x", 4, 4, [2, 2], two),
    ]);
    net.add("Slice", "y", [sum, ...[[1], [-2], [2]].map((value, i) => net.constant(`s${i}`, int64(value)))]);
    const pair = foldAndCompare(net.finish(["n", 4, "h", "w"], "y"), [2, 4, 5, 4], { maxCost: 2 });
    expectExact(pair, { ConvTranspose: 1 });
  });

  it("a scale before it goes in; a shift before it reaches unequal numbers of taps, and stays", () => {
    const scaled = new TransposedNet(6);
    scaled.add("Mul", "k", ["x", scaled.constant("k.c", normal(scaled.rng, [4, 1, 1]))]);
    scaled.up("y", "k", 4, 6, [3, 3], two);
    expectExact(foldAndCompare(scaled.finish(["n", 4, "h", "w"], "y"), [2, 4, 5, 4]), { ConvTranspose: 1 });
    const shifted = new TransposedNet(7);
    shifted.up("y", shifted.randomBatchNorm("norm", "x", 4), 4, 6, [3, 3], two);
    const pair = foldAndCompare(shifted.finish(["n", 4, "h", "w"], "y"), [2, 4, 5, 4]);
    expectExact(pair, { BatchNormalization: 1, ConvTranspose: 1 });
    expect(pair.report.refusals).toMatchObject([
      { node: "y", reason: expect.stringContaining("a bias comes before a transposed convolution") },
    ]);
  });

  it("a branch of the input beside it stays: no one layer is both", () => {
    const net = new TransposedNet(8);
    net.add("Add", "y", [
      net.up("up", "x", 4, 4, [1, 1], { strides: ints([1, 1]), output_padding: ints([0, 0]) }),
      net.up("wide", "x", 4, 4, [2, 2], { ...two, pads: ints([2, 2, 2, 2]), output_shape: ints([5, 4]) }),
    ]);
    const pair = foldAndCompare(net.finish([2, 4, 5, 4], "y"), [2, 4, 5, 4]);
    expectExact(pair, { ConvTranspose: 2, Add: 1 });
    expect(pair.report.refusals).toMatchObject([
      { node: "y", reason: expect.stringContaining("unequal numbers of positions") },
    ]);
  });

  it("identity branches behind it are seen: RepVGG blocks in a decoder (YOLOv6's neck)", () => {
    const net = new TransposedNet(9);
    let value = net.add("Relu", "r", [net.up("up", "x", 4, 4, [2, 2], two)]);
    for (const [i, bare] of [false, true].entries()) {
      const dense = net.convBn(`dense${i}`, value, 4, 4, 3, { padding: 1 });
      const sum = net.add("Add", `sum${i}`, [dense, bare ? value : net.randomBatchNorm(`identity${i}`, value, 4)]);
      value = net.add("Relu", `relu${i}`, [sum]);
    }
    const pair = foldAndCompare(net.finish(["n", 4, "h", "w"], value), [1, 4, 3, 4]);
    expectExact(pair, { ConvTranspose: 1, Conv: 2, Relu: 3 });
  });
});

const cases = Number(process.env.FOLD_CASES ?? 400);
const random = fc.record({
  seed: fc.nat(),
  kernel: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
  strides: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  dilations: fc.tuple(fc.constantFrom(1, 2), fc.constantFrom(1, 2)),
  pads: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 4, maxLength: 4 }),
  extra: fc.tuple(fc.nat(2), fc.nat(2)),
  group: fc.constantFrom(1, 2, 4),
  steps: fc.array(fc.constantFrom("norm", "scale", "point", "sum", "crop", "pad", "window"), { maxLength: 3 }),
  before: fc.constantFrom("nothing", "scale", "norm", "point", "window"),
  open: fc.boolean(),
});

describe("random transposed convolutions with layers around them", () => {
  it(`fold to equal outputs (${cases} cases)`, { timeout: cases * 1000 }, () => {
    let whole = 0;
    fc.assert(
      fc.property(random, ({ seed, kernel, strides, dilations, pads, extra, group, steps, before, open }) => {
        const net = new TransposedNet(seed);
        let input = "x";
        if (before === "scale") input = net.add("Mul", "k", ["x", net.constant("k.c", normal(net.rng, [4, 1, 1]))]);
        if (before === "norm") input = net.randomBatchNorm("n", "x", 4);
        if (before === "point") input = net.randomConv("p", "x", 4, 4, 1);
        if (before === "window") input = net.randomConv("p", "x", 4, 4, 2);
        const attributes = {
          strides: ints(strides),
          dilations: ints(dilations),
          // Never all of the output.
          pads: ints(pads.map((p, side) => Math.min(p, (kernel[side % 2]! - 1) * dilations[side % 2]!))),
          output_padding: ints(extra.map((e, axis) => Math.min(e, strides[axis]! - 1))),
          group: int(group),
        };
        let value = net.up("up", input, 4, 4, kernel, attributes);
        steps.forEach((step, i) => {
          const name = `${step}${i}`;
          if (step === "norm") value = net.randomBatchNorm(name, value, 4);
          if (step === "scale") value = net.add("Neg", name, [value]);
          if (step === "point") value = net.randomConv(name, value, 4, 4, 1, { bias: true });
          if (step === "window") value = net.randomConv(name, value, 4, 4, 2);
          if (step === "sum")
            value = net.add("Add", name, [value, net.up(`${name}.up`, input, 4, 4, kernel, attributes)]);
          if (step === "crop")
            value = net.add("Slice", name, [
              value,
              ...[[1], [2 ** 31 - 1], [3]].map((v, j) => net.constant(`${name}.${j}`, int64(v))),
            ]);
          if (step === "pad")
            value = net.add("Pad", name, [value, net.constant(`${name}.p`, int64([0, 0, 1, 0, 0, 0, 0, 2]))]);
        });
        const size = [1, 4, 6, 7];
        const sums = steps.indexOf("sum");
        // A sum of values of unlike sizes is no graph.
        fc.pre(
          !steps.slice(0, Math.max(0, sums)).some((step) => ["crop", "pad", "window"].includes(step)) &&
            steps.lastIndexOf("sum") === sums,
        );
        const pair = foldAndCompare(net.finish(open ? ["n", 4, "h", "w"] : size, value), size, {
          maxCost: seed % 2 ? 1 : 1000,
        });
        expect(pair.exactError).toBeLessThanOrEqual(1e-9);
        expect(pair.roundedError).toBeLessThanOrEqual(Math.max(1e-5, 1e-8 * pair.cancellation));
        if (pair.graph.nodes.length === 1) whole++;
      }),
      { numRuns: cases, seed: 7 },
    );
    expect(whole).toBeGreaterThan(cases / 4);
  });
});
