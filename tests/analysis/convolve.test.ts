import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { NamedArray } from "#repvgg/core/named-arrays.js";
import { Rng } from "#repvgg/core/rng.js";
import { int, ints } from "#repvgg/graph/attributes.js";
import { node, valueInfo } from "#repvgg/graph/build.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { convolve } from "#repvgg/verify/proof/convolve.js";

interface Geometry {
  readonly seed: number;
  readonly groups: number;
  readonly groupIn: number;
  readonly groupOut: number;
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  readonly pads: readonly [number, number, number, number];
  readonly size: readonly [number, number];
  readonly batch: number;
  readonly bias: boolean;
}

function expectAsEvaluated(g: Geometry): void {
  const rng = new Rng(g.seed);
  const numbers = (count: number) => Float64Array.from({ length: count }, () => rng.normal());
  const [channels, outChannels] = [g.groups * g.groupIn, g.groups * g.groupOut];
  const shape = [g.batch, channels, ...g.size];
  const value = numbers(g.batch * channels * g.size[0] * g.size[1]);
  const weight = numbers(outChannels * g.groupIn * g.kernel[0] * g.kernel[1]);
  const bias = g.bias ? numbers(outChannels) : undefined;
  const result = convolve({ shape, value, magnitude: value.map(Math.abs) }, weight, bias, {
    ...{
      outChannels,
      groups: g.groups,
      kernelSize: g.kernel,
      strides: g.strides,
      dilations: g.dilations,
      pads: g.pads,
    },
  });
  const f64 = (of: readonly number[], data: Float64Array): NamedArray => ({ dtype: "f64", shape: of, data });
  const made = node("Conv", "c", ["x", "w", ...(bias ? ["b"] : [])], ["y"], {
    ...{ strides: ints(g.strides), dilations: ints(g.dilations), pads: ints(g.pads), group: int(g.groups) },
  });
  const initializers = new Map([["w", f64([outChannels, g.groupIn, ...g.kernel], weight)]]);
  if (bias) initializers.set("b", f64([outChannels], bias));
  const graph: Graph = {
    name: "",
    inputs: [valueInfo("x", shape, "f64")],
    outputs: [],
    nodes: [made],
    initializers,
  };
  const expected = evaluate(graph, new Map([["x", f64(shape, value)]]), ["y"]).get("y")!;
  expect(result.shape).toEqual(expected.shape);
  result.value.forEach((got, i) => {
    expect(Math.abs(got - expected.data[i]!)).toBeLessThan(1e-12);
    expect(result.magnitude[i]!).toBeGreaterThanOrEqual(Math.abs(got) - 1e-12);
  });
}

describe("convolve", () => {
  it("takes positions in blocks where there are too many for one", () => {
    const [channels, side] = [2048, 18];
    const rng = new Rng(1);
    const numbers = (count: number) => Float64Array.from({ length: count }, () => rng.normal());
    const [value, weight, bias] = [numbers(channels * side * side), numbers(2 * channels * 9), numbers(2)];
    const shape = [1, channels, side, side];
    const geometry = { outChannels: 2, groups: 1, kernelSize: [3, 3], strides: [1, 1], dilations: [1, 1] };
    const whole = convolve({ shape, value, magnitude: value }, weight, bias, { ...geometry, pads: [1, 1, 1, 1] });
    // The last rows alone: 18 + 2 of padding are more than one block.
    const below = value.slice(0, channels * 3 * side);
    for (let c = 0; c < channels; c++) {
      below.set(value.subarray((c + 1) * side * side - 3 * side, (c + 1) * side * side), c * 3 * side);
    }
    const rows = { shape: [1, channels, 3, side], value: below, magnitude: below };
    const part = convolve(rows, weight, bias, { ...geometry, pads: [0, 1, 1, 1] });
    expect(part.shape).toEqual([1, 2, 2, side]);
    for (let o = 0; o < 2; o++) {
      const end = (o + 1) * side * side;
      expect(whole.value.subarray(end - 2 * side, end)).toEqual(part.value.subarray(o * 2 * side, (o + 1) * 2 * side));
    }
  });

  it("is the evaluator's convolution, and its magnitudes bound it", () => {
    const geometry = fc.record({
      seed: fc.nat(),
      groups: fc.constantFrom(1, 2, 3),
      groupIn: fc.integer({ min: 1, max: 3 }),
      groupOut: fc.integer({ min: 1, max: 3 }),
      kernel: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
      strides: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
      dilations: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 2 })),
      pads: fc.tuple(
        ...([0, 1, 2, 3].map(() => fc.integer({ min: 0, max: 3 })) as [
          fc.Arbitrary<number>,
          fc.Arbitrary<number>,
          fc.Arbitrary<number>,
          fc.Arbitrary<number>,
        ]),
      ),
      size: fc.tuple(fc.integer({ min: 7, max: 9 }), fc.integer({ min: 7, max: 9 })),
      batch: fc.integer({ min: 1, max: 2 }),
      bias: fc.boolean(),
    });
    fc.assert(fc.property(geometry, expectAsEvaluated), { numRuns: 300, seed: 7 });
    // The way of its own for 3×3 on 3×3, and all that is nearly that.
    const same = { kernel: [3, 3], strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1], size: [3, 3] };
    const near = fc.oneof(
      fc.constant({}),
      fc.constantFrom(
        ...[{ kernel: [3, 2] }, { strides: [1, 2] }, { strides: [2, 1] }, { dilations: [1, 2], size: [5, 5] }],
        ...[{ pads: [1, 1, 1, 0] }, { pads: [0, 1, 1, 1] }, { size: [3, 4] }, { size: [4, 3] }],
      ),
    );
    const both = fc.tuple(geometry, near).map(([g, change]) => ({ ...g, ...same, ...change }) as typeof g);
    fc.assert(fc.property(both, expectAsEvaluated), { numRuns: 200, seed: 8 });
  });
});
