import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { int, ints } from "#repvgg/graph/attributes.js";
import { foldAndCompare, normal, RandomNet } from "./support.js";

const cases = Number(process.env.FOLD_CASES ?? 10_000);
const seed = Number(process.env.FOLD_SEED ?? 20210112);

/** One step of a branch, with choices as small numbers that shrink towards the simplest. */
const step = fc.record({
  kind: fc.constantFrom("conv", "pointwise", "batchNorm", "scale", "shift", "scalar", "negate", "average", "identity"),
  kernel: fc.integer({ min: 1, max: 7 }),
  dilation: fc.integer({ min: 1, max: 2 }),
  groups: fc.constantFrom(1, 2, 4),
  bias: fc.boolean(),
  countPadding: fc.boolean(),
});
const branch = fc.record({ steps: fc.array(step, { maxLength: 4 }), final: step, subtract: fc.boolean() });
const network = fc.record({
  /** Only steps before a padded convolution that compose with it. */
  gentle: fc.boolean(),
  seed: fc.nat(),
  // Small, so that ten thousand cases take seconds; the widest dilated kernels reach beyond both borders at once.
  height: fc.integer({ min: 4, max: 8 }),
  width: fc.integer({ min: 4, max: 8 }),
  stride: fc.constantFrom(1, 2),
  channels: fc.constantFrom(4, 4, 4, 8),
  dynamic: fc.boolean(),
  branches: fc.array(branch, { minLength: 2, maxLength: 6 }),
  after: fc.array(step, { maxLength: 3 }),
  relu: fc.boolean(),
  exposed: fc.option(fc.nat(), { nil: undefined, freq: 1 }),
  maxCost: fc.constantFrom(1, 100),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
type Network = typeof network extends fc.Arbitrary<infer T> ? T : never;

/** Adds a step that keeps the size (stride 1: "same" padding, asymmetric for even extents) or takes every stride-th position. */
function addStep(net: RandomNet, name: string, input: string, s: Step, channels: number, stride: number): string {
  const reach = (s.kernel - 1) * s.dilation;
  const [begin, end] = [Math.floor(reach / 2), Math.ceil(reach / 2)];
  const window = {
    kernel_shape: ints([s.kernel, s.kernel]),
    strides: ints([stride, stride]),
    pads: ints([begin, begin, end, end]),
  };
  const constant = (shape: readonly number[]): string => net.constant(`${name}.constant`, normal(net.rng, shape));
  switch (s.kind) {
    case "conv": {
      const weight = net.constant(
        `${name}.w`,
        normal(net.rng, [channels, channels / s.groups, s.kernel, s.kernel], 0.2),
      );
      const inputs = [input, weight, ...(s.bias ? [net.constant(`${name}.b`, normal(net.rng, [channels]))] : [])];
      return net.add("Conv", name, inputs, {
        ...window,
        dilations: ints([s.dilation, s.dilation]),
        group: int(s.groups),
      });
    }
    case "average": {
      const pads = [s.kernel - 1 - (s.kernel >> 1), s.kernel >> 1] as const;
      return net.add("AveragePool", name, [input], {
        ...window,
        pads: ints([pads[0], pads[0], pads[1], pads[1]]),
        count_include_pad: int(s.countPadding ? 1 : 0),
      });
    }
    case "pointwise":
      return net.randomConv(name, input, channels, channels, 1, { stride, groups: s.groups, bias: s.bias });
    case "batchNorm":
      return net.randomBatchNorm(name, input, channels);
    case "scale":
      return net.add("Mul", name, [constant([1, channels, 1, 1]), input]);
    case "shift":
      return net.add(
        s.bias ? "Add" : "Sub",
        name,
        s.countPadding ? [input, constant([channels, 1, 1])] : [constant([channels, 1, 1]), input],
      );
    case "scalar":
      return net.add("Div", name, [input, constant([])]);
    case "negate":
      return net.add("Neg", name, [input]);
    default:
      return net.add("Identity", name, [input]);
  }
}

/** The step as one that leaves no bias before later padding. */
function gently(s: Step): Step {
  const kind = (
    { conv: "pointwise", batchNorm: "scale", shift: "scale", average: "negate" } as Record<string, Step["kind"]>
  )[s.kind];
  return { ...s, kind: kind ?? s.kind, bias: false };
}

function build(n: Network) {
  const net = new RandomNet(n.seed);
  let joined: string | undefined;
  n.branches.forEach((b, i) => {
    let value = "x";
    b.steps.forEach((s, j) => {
      value = addStep(net, `branch${i}.${j}`, value, n.gentle ? gently(s) : s, n.channels, 1);
    });
    // The step that strides has to be one that can.
    const last: Step =
      n.stride === 1 || ["conv", "pointwise", "average"].includes(b.final.kind)
        ? b.final
        : { ...b.final, kind: "conv" };
    value = addStep(net, `branch${i}.final`, value, last, n.channels, n.stride);
    joined = joined === undefined ? value : net.add(b.subtract ? "Sub" : "Add", `join${i}`, [joined, value]);
  });
  let output = joined!;
  n.after.forEach((s, j) => {
    output = addStep(net, `after.${j}`, output, n.gentle ? gently(s) : s, n.channels, 1);
  });
  if (n.relu) output = net.add("Relu", "relu", [output]);
  const exposed =
    n.exposed === undefined ? [] : [net.nodes[n.exposed % net.nodes.length]!.outputs[0]!].filter((v) => v !== output);
  const shape = n.dynamic ? ["batch", n.channels, "height", "width"] : [1, n.channels, n.height, n.width];
  return net.finish(shape, output, ...exposed);
}

describe("random linear multi-branch graphs", () => {
  it(`fold to equal outputs or say why not (${cases} cases; FOLD_CASES sets the number)`, {
    timeout: cases * 1000,
  }, () => {
    let whole = 0;
    fc.assert(
      fc.property(network, (n) => {
        const graph = build(n);
        const pair = foldAndCompare(graph, [1, n.channels, n.height, n.width], { maxCost: n.maxCost });
        expect(pair.exactError).toBeLessThanOrEqual(1e-9);
        // Float32 weights are as exact as the terms that they sum: where these cancel, an output is less so.
        expect(pair.roundedError).toBeLessThanOrEqual(Math.max(1e-5, 1e-8 * pair.cancellation));
        const linear = pair.graph.nodes.filter(({ op }) => op !== "Relu");
        if (linear.length > 1) expect(pair.report.refusals.length).toBeGreaterThan(0);
        else whole++;
      }),
      { numRuns: cases, seed },
    );
    expect(whole).toBeGreaterThan(cases / 6);
  });
});
