import { describe, expect, it } from "vitest";
import { affine, applyAffine, batchNormAffine } from "#repvgg/conv-algebra/affine.js";
import { compose } from "#repvgg/conv-algebra/compose.js";
import { concat } from "#repvgg/conv-algebra/concat.js";
import { macsPerPosition, type Pair } from "#repvgg/conv-algebra/geometry.js";
import { compactGroups, denseKernel, expandGroups } from "#repvgg/conv-algebra/groups.js";
import {
  convolutionMap,
  identityMap,
  isRefusal,
  type LinearMap,
  type Refusal,
  weightOf,
  writeWeight,
} from "#repvgg/conv-algebra/linear-map.js";
import { padOutput } from "#repvgg/conv-algebra/pad.js";
import { averagePoolMap } from "#repvgg/conv-algebra/pool.js";
import { scaledBy, sum } from "#repvgg/conv-algebra/sum.js";
import { Rng } from "#repvgg/core/rng.js";
import { accepted, applyMap, distance, type Picture, picture, randomMap, randomPicture } from "./naive.js";

const close = 1e-10;

function zip(a: Picture, b: Picture, f: (x: number, y: number) => number): Picture {
  return { ...a, at: (c, y, x) => f(a.at(c, y, x), b.at(c, y, x)) };
}

/** A picture with a border; `value` per channel. */
function padded(x: Picture, [top, left, bottom, right]: readonly number[], value: (c: number) => number): Picture {
  return {
    channels: x.channels,
    height: x.height + top! + bottom!,
    width: x.width + left! + right!,
    at: (c, y, z) => {
      const [row, column] = [y - top!, z - left!];
      const inside = row >= 0 && row < x.height && column >= 0 && column < x.width;
      return inside ? x.at(c, row, column) : value(c);
    },
  };
}

function refusal(result: LinearMap | Refusal): string {
  expect(isRefusal(result)).toBe(true);
  return (result as Refusal).refused;
}

describe("single maps", () => {
  const rng = new Rng(1);
  const x = randomPicture(rng, 4, 6, 5);

  it("the identity gives its source, and its kernel is 1 at [i, i mod C/g, centre] in any grouping", () => {
    expect(distance(applyMap(identityMap(4), x), x)).toBe(0);
    const grouped = accepted(
      sum([
        identityMap(4),
        convolutionMap(new Float64Array(4 * 2 * 9), undefined, {
          outChannels: 4,
          inChannels: 4,
          groups: 2,
          kernelSize: [3, 3],
          pads: [1, 1, 1, 1],
        }),
      ]),
    );
    const weight = weightOf(grouped);
    const ones = [...weight.keys()].filter((i) => weight[i] !== 0);
    expect(ones).toEqual([0, 1, 2, 3].map((i) => (i * 2 + (i % 2)) * 9 + 4));
    expect(ones.every((i) => weight[i] === 1)).toBe(true);
  });

  it("BatchNorm is t = γ/√(σ² + ε), y = t·x + β − t·μ", () => {
    const [gamma, beta, mean, variance] = [1, 2, 3, 4].map((k) =>
      Float64Array.from({ length: 4 }, (_, c) => k + c / 8),
    );
    const made = batchNormAffine({ gamma: gamma!, beta: beta!, mean: mean!, variance: variance!, epsilon: 1e-3 });
    const y = applyMap(applyAffine(identityMap(4), made), x);
    const expected: Picture = {
      ...x,
      at: (c, row, column) =>
        (gamma![c]! * (x.at(c, row, column) - mean![c]!)) / Math.sqrt(variance![c]! + 1e-3) + beta![c]!,
    };
    expect(distance(y, expected)).toBeLessThan(close);
  });

  it("average pooling is a depthwise map of 1/k²", () => {
    const pool = averagePoolMap(4, { kernelSize: [2, 3], stride: [2, 1], pads: [0, 0, 0, 0], dilation: [1, 1] });
    const y = applyMap(pool, x);
    let total = 0;
    for (const [row, column] of [0, 1].flatMap((a) => [0, 1, 2].map((b) => [2 + a, 1 + b])))
      total += x.at(3, row!, column!);
    expect(y.at(3, 1, 1)).toBeCloseTo(total / 6, 12);
    expect([y.height, y.width]).toEqual([3, 3]);
  });

  it("a dilated kernel is a zero-inserted dense one, a grouped one is a block-diagonal dense one, and back", () => {
    const map = randomMap(rng, {
      outChannels: 4,
      inChannels: 4,
      groups: 2,
      kernelSize: [3, 2],
      dilation: [2, 3],
      pads: [2, 1, 0, 3],
    });
    const dense = denseKernel(map);
    expect(dense.kernelSize).toEqual([5, 4]);
    expect(distance(applyMap(dense, x), applyMap(map, x))).toBeLessThan(close);
    const ungrouped = expandGroups(map, 1);
    expect(weightOf(ungrouped).length).toBe(2 * weightOf(map).length);
    expect(distance(applyMap(ungrouped, x), applyMap(map, x))).toBeLessThan(close);
    const again = compactGroups(ungrouped);
    expect(again.groups).toBe(2);
    expect(weightOf(again)).toEqual(weightOf(map));
    expect(macsPerPosition(again)).toBe(4 * 2 * 6);
    expect(() => expandGroups(map, 4)).toThrow(RangeError);
  });

  it("a kernel written by blocks of rows is the kernel", () => {
    const wide = randomMap(rng, { outChannels: 130, inChannels: 300, kernelSize: [3, 3] });
    const both = accepted(
      sum([{ ...wide, pads: [1, 1, 1, 1] }, randomMap(rng, { outChannels: 130, inChannels: 300, kernelSize: [1, 1] })]),
    );
    const written = new Float64Array(130 * 300 * 9);
    const expected = weightOf(both);
    writeWeight(both, written);
    expect(written.findIndex((w, i) => w !== expected[i])).toBe(-1);
  });

  it("refuses channels that do not divide and weights that do not fill", () => {
    expect(() =>
      convolutionMap(Float64Array.of(), undefined, { outChannels: 4, inChannels: 3, groups: 2, kernelSize: [1, 1] }),
    ).toThrow(RangeError);
    expect(() =>
      convolutionMap(Float64Array.of(1), undefined, { outChannels: 4, inChannels: 4, kernelSize: [1, 1] }),
    ).toThrow(RangeError);
  });
});

describe("sums", () => {
  it("equal the sum of what the maps give, for any kernels, pads, groups and dilations of one output size", () => {
    for (let seed = 0; seed < 60; seed++) {
      const rng = new Rng(seed);
      const stride: Pair = [1 + rng.int(2), 1 + rng.int(3)];
      const maps = Array.from({ length: 2 + rng.int(3) }, () => {
        const kernelSize: Pair = [1 + rng.int(5), 1 + rng.int(5)];
        const dilation: Pair = [1 + rng.int(3), 1 + rng.int(3)];
        const [h, w] = [(kernelSize[0] - 1) * dilation[0], (kernelSize[1] - 1) * dilation[1]];
        const [top, left] = [rng.int(h + 1), rng.int(w + 1)];
        const groups = [1, 2, 4][rng.int(3)]!;
        return randomMap(rng, {
          outChannels: 8,
          inChannels: 4,
          groups,
          kernelSize,
          dilation,
          stride,
          pads: [top, left, h - top, w - left],
        });
      });
      const x = randomPicture(rng, 4, 7, 9);
      const total = accepted(sum(maps));
      const expected = maps.map((map) => applyMap(map, x)).reduce((a, b) => zip(a, b, (p, q) => p + q));
      expect(distance(applyMap(total, x), expected)).toBeLessThan(close);
      const minus = accepted(sum([maps[0]!, scaledBy(maps[1]!, -1)]));
      expect(
        distance(
          applyMap(minus, x),
          zip(applyMap(maps[0]!, x), applyMap(maps[1]!, x), (p, q) => p - q),
        ),
      ).toBeLessThan(close);
    }
  });

  it("keep the natural form: 3×3 + 1×1 + identity is 3×3 with pad 1", () => {
    const rng = new Rng(3);
    const total = accepted(
      sum([
        randomMap(rng, { outChannels: 6, inChannels: 6, groups: 2, kernelSize: [3, 3], pads: [1, 1, 1, 1] }),
        identityMap(6),
      ]),
    );
    expect(total).toMatchObject({
      kernelSize: [3, 3],
      pads: [1, 1, 1, 1],
      groups: 2,
      dilation: [1, 1],
      stride: [1, 1],
    });
  });

  it("refuse unequal strides, channels and sizes, with the reason", () => {
    const rng = new Rng(4);
    const map = (over: object): LinearMap =>
      randomMap(rng, { outChannels: 4, inChannels: 4, kernelSize: [3, 3], pads: [1, 1, 1, 1], ...over });
    expect(refusal(sum([map({}), map({ stride: [2, 2] })]))).toMatch(/unequal strides, 1 and 2/);
    expect(refusal(sum([map({}), map({ outChannels: 8 })]))).toMatch(/4 and 8 channels/);
    expect(refusal(sum([map({}), map({ inChannels: 8 })]))).toMatch(/different channels/);
    expect(refusal(sum([map({}), map({ pads: [0, 0, 0, 0] })]))).toMatch(/one size for every input size/);
  });

  it("of sizes that agree for the known input only are exact for it", () => {
    const rng = new Rng(5);
    const a = randomMap(rng, { outChannels: 2, inChannels: 2, kernelSize: [3, 3], stride: [2, 2], pads: [0, 0, 1, 1] });
    const b = randomMap(rng, { outChannels: 2, inChannels: 2, kernelSize: [1, 1], stride: [2, 2] });
    expect(isRefusal(sum([a, b]))).toBe(true);
    const total = accepted(sum([a, b], [8, 6]));
    const x = randomPicture(rng, 2, 8, 6);
    expect(
      distance(
        applyMap(total, x),
        zip(applyMap(a, x), applyMap(b, x), (p, q) => p + q),
      ),
    ).toBeLessThan(close);
    expect(isRefusal(sum([a, b], [9, 6]))).toBe(true);
  });

  it("concatenation stacks outputs", () => {
    const rng = new Rng(6);
    const a = randomMap(rng, { outChannels: 2, inChannels: 4, groups: 2, kernelSize: [3, 1], pads: [1, 0, 1, 0] });
    const b = randomMap(rng, { outChannels: 3, inChannels: 4, kernelSize: [1, 1] });
    const joined = accepted(
      concat([a, applyAffine(b, affine(3, { scale: [2, -1, 0.5], shift: [1, 2, 3] })), identityMap(4)]),
    );
    const x = randomPicture(rng, 4, 5, 5);
    const parts = [
      applyMap(a, x),
      applyMap(applyAffine(b, affine(3, { scale: [2, -1, 0.5], shift: [1, 2, 3] })), x),
      x,
    ];
    const expected: Picture = {
      ...x,
      channels: 9,
      at: (c, y, z) => (c < 2 ? parts[0]!.at(c, y, z) : c < 5 ? parts[1]!.at(c - 2, y, z) : parts[2]!.at(c - 5, y, z)),
    };
    expect(distance(applyMap(joined, x), expected)).toBeLessThan(close);
  });
});

describe("compositions", () => {
  it("equal one map after the other for any kernels, strides, groups and dilations, where the outer one does not pad", () => {
    for (let seed = 0; seed < 60; seed++) {
      const rng = new Rng(1000 + seed);
      const pick = (limit: number): Pair => [1 + rng.int(limit), 1 + rng.int(limit)];
      const inner = randomMap(rng, {
        outChannels: 8,
        inChannels: 4,
        groups: [1, 2, 4][rng.int(3)]!,
        kernelSize: pick(3),
        stride: pick(2),
        dilation: pick(2),
        pads: [rng.int(3), rng.int(3), rng.int(3), rng.int(3)],
      });
      const outer = randomMap(rng, {
        outChannels: 8,
        inChannels: 8,
        groups: [1, 2, 8][rng.int(3)]!,
        kernelSize: pick(3),
        stride: pick(2),
        dilation: pick(2),
      });
      const x = randomPicture(rng, 4, 14, 15);
      const composed = accepted(compose(outer, inner));
      expect(distance(applyMap(composed, x), applyMap(outer, applyMap(inner, x)))).toBeLessThan(1e-9);
    }
  });

  it("with outer padding: exact when the inner map has no bias and sees only zeros beyond its output, else refused", () => {
    let exact = 0;
    for (let seed = 0; seed < 80; seed++) {
      const rng = new Rng(2000 + seed);
      const k = 1 + rng.int(3);
      const inner = randomMap(
        rng,
        {
          outChannels: 3,
          inChannels: 2,
          kernelSize: [k, k],
          stride: [1 + rng.int(2), 1],
          pads: [rng.int(3), rng.int(3), rng.int(3), rng.int(3)],
        },
        rng.int(4) === 0,
      );
      const outer = randomMap(rng, {
        outChannels: 2,
        inChannels: 3,
        kernelSize: [3, 3],
        pads: [rng.int(3), 1, rng.int(3), 1],
      });
      const composed = compose(outer, inner);
      if (isRefusal(composed)) {
        expect(composed.refused).toMatch(/bias|kernel before it/);
        continue;
      }
      exact++;
      for (const height of [9, 10]) {
        const x = randomPicture(rng, 2, height, 9);
        expect(distance(applyMap(composed, x), applyMap(outer, applyMap(inner, x)))).toBeLessThan(1e-9);
      }
    }
    expect(exact).toBeGreaterThan(5);
  });

  it("1×1 after k×k, k×k after 1×1, depthwise then pointwise keep the natural form", () => {
    const rng = new Rng(7);
    const wide = randomMap(rng, {
      outChannels: 6,
      inChannels: 4,
      kernelSize: [3, 3],
      stride: [2, 2],
      pads: [1, 1, 1, 1],
    });
    const point = randomMap(rng, { outChannels: 2, inChannels: 6, kernelSize: [1, 1] });
    expect(accepted(compose(point, wide))).toMatchObject({ kernelSize: [3, 3], stride: [2, 2], pads: [1, 1, 1, 1] });
    const first = randomMap(rng, { outChannels: 4, inChannels: 3, kernelSize: [1, 1] }, false);
    expect(accepted(compose(wide, first))).toMatchObject({ inChannels: 3, kernelSize: [3, 3], pads: [1, 1, 1, 1] });
    const depthwise = randomMap(rng, {
      outChannels: 6,
      inChannels: 6,
      groups: 6,
      kernelSize: [3, 3],
      dilation: [2, 2],
      pads: [2, 2, 2, 2],
    });
    expect(accepted(compose(point, depthwise))).toMatchObject({ groups: 1, kernelSize: [3, 3], dilation: [2, 2] });
    expect(refusal(compose(point, first))).toMatch(/4 channels do not fit/);
  });

  it("padding with the bias (DBB) is exact; with another value or after a wide kernel it is refused", () => {
    const rng = new Rng(8);
    const map = applyAffine(
      randomMap(rng, { outChannels: 2, inChannels: 2, kernelSize: [1, 1] }, false),
      affine(2, { shift: [0.3, -0.7] }),
    );
    const pads = [1, 2, 0, 1] as const;
    const grown = accepted(padOutput(map, pads, [0.3, -0.7]));
    const x = randomPicture(rng, 2, 4, 4);
    expect(
      distance(
        applyMap(grown, x),
        padded(applyMap(map, x), pads, (c) => [0.3, -0.7][c]!),
      ),
    ).toBeLessThan(close);
    expect(refusal(padOutput(map, pads, [0.3, 0.7]))).toMatch(/pad value 0.7 is not the bias/);
    expect(refusal(padOutput(map, pads))).toMatch(/a bias comes before zero padding/);
    const wide = randomMap(rng, { outChannels: 2, inChannels: 2, kernelSize: [3, 3], pads: [1, 1, 1, 1] }, false);
    expect(refusal(padOutput(wide, pads))).toMatch(/3×3 kernel before it would see part/);
    expect(refusal(padOutput(wide, [-1, 1, 0, 0]))).toMatch(/3×3 kernel before it would see part/);
  });

  it("what float32 rounding leaves of a cancelled bias counts as zero; a small true bias does not", () => {
    const bias = [0.1 + 0.2, 5];
    const map = applyAffine(identityMap(2), affine(2, { shift: bias }));
    const cancelled = applyAffine(map, affine(2, { shift: bias.map((b) => -Math.fround(b)) }));
    expect(isRefusal(padOutput(cancelled, [1, 1, 1, 1]))).toBe(false);
    const small = applyAffine(identityMap(2), affine(2, { shift: [1e-9, 0] }));
    expect(refusal(padOutput(small, [1, 1, 1, 1]))).toMatch(/bias/);
  });

  it("negation keeps the geometry", () => {
    const map = randomMap(new Rng(9), { outChannels: 2, inChannels: 3, kernelSize: [2, 2] });
    expect(weightOf(scaledBy(map, -1))).toEqual(weightOf(map).map((w) => -w));
    expect(picture(1, 1, 1, [3]).at(0, 0, 0)).toBe(3);
  });
});
