import { describe, expect, it } from "vitest";
import { affine, applyAffine, batchNormAffine } from "#repvgg/conv-algebra/affine.js";
import { compose } from "#repvgg/conv-algebra/compose.js";
import { concat } from "#repvgg/conv-algebra/concat.js";
import {
  describeKernel,
  extent,
  gcd,
  type MapGeometry,
  type Pads,
  type Pair,
  weightCount,
} from "#repvgg/conv-algebra/geometry.js";
import { compactGroups, denseKernel, expandGroups } from "#repvgg/conv-algebra/groups.js";
import {
  convolutionMap,
  identityMap,
  isRefusal,
  type LinearMap,
  settled,
  weightOf,
  writeWeight,
} from "#repvgg/conv-algebra/linear-map.js";
import { composedPads, paddingObstacle, padOutput } from "#repvgg/conv-algebra/pad.js";
import { averagePoolMap } from "#repvgg/conv-algebra/pool.js";
import { scaledBy, sum } from "#repvgg/conv-algebra/sum.js";
import { Rng } from "#repvgg/core/rng.js";
import { accepted, applyMap, distance, type Picture, randomMap, randomPicture } from "./naive.js";

const close = 1e-9;
const directions = ["top", "left", "bottom", "right"] as const;

/** A picture with a border of zeros. */
function zeroPadded(x: Picture, [top, left, bottom, right]: readonly number[]): Picture {
  return {
    channels: x.channels,
    height: x.height + top! + bottom!,
    width: x.width + left! + right!,
    at: (c, y, z) => {
      const [row, column] = [y - top!, z - left!];
      return row >= 0 && row < x.height && column >= 0 && column < x.width ? x.at(c, row, column) : 0;
    },
  };
}

/** Whether one source's border of zeros, wide enough, gives what padding the output does, for sources of many sizes. */
function isMapOfPaddedSource(map: LinearMap, pads: Pads, seed: number): boolean {
  const grown = { ...map, pads: composedPads(map, pads) };
  for (let size = 5; size < 5 + 2 * map.stride[0] * map.stride[1]; size++) {
    const x = randomPicture(new Rng(seed + size), map.inChannels, size, size + 1);
    if (distance(applyMap(grown, x), zeroPadded(applyMap(map, x), pads)) > close) return false;
  }
  return true;
}

describe("padding the output of a map, at each side by itself", () => {
  for (const [side, name] of directions.entries()) {
    it(`is refused exactly where the border would not be zero: ${name}`, () => {
      const seen = { exact: 0, refused: 0 };
      for (let kernel = 1; kernel <= 4; kernel++) {
        for (let dilation = 1; dilation <= 2; dilation++) {
          for (let stride = 1; stride <= 3; stride++) {
            for (const before of [0, 1, 2, 3]) {
              for (const behind of [0, 1, 2, 3]) {
                const vertical = side % 2 === 0;
                const along = (a: number, b: number): Pair => (vertical ? [a, b] : [b, a]);
                const map = randomMap(
                  new Rng(kernel),
                  {
                    ...{ outChannels: 1, inChannels: 1, kernelSize: along(kernel, 1), dilation: along(dilation, 1) },
                    stride: along(stride, 1),
                    pads: vertical ? [before, 0, behind, 0] : [0, before, 0, behind],
                  },
                  false,
                );
                const pads = directions.map((_, i) => (i === side ? 1 : 0)) as unknown as Pads;
                const obstacle = paddingObstacle(map, pads, undefined);
                if (obstacle === undefined) {
                  seen.exact++;
                  expect(isMapOfPaddedSource(map, pads, 7), `${kernel} ${dilation} ${stride} ${before} ${behind}`).toBe(
                    true,
                  );
                } else {
                  seen.refused++;
                  expect(obstacle.refused).toMatch(/would see part of its input/);
                  expect(isMapOfPaddedSource(map, pads, 7), `${kernel} ${dilation} ${stride} ${before} ${behind}`).toBe(
                    false,
                  );
                }
              }
            }
          }
        }
      }
      expect(Math.min(seen.exact, seen.refused)).toBeGreaterThan(80);
    });
  }

  it("the composed pads are the inner map's and a stride for each outer one", () => {
    const map = { ...identityMap(1), stride: [2, 3] as const, pads: [1, 2, 3, 4] as const };
    expect(composedPads(map, [10, 20, 30, 40])).toEqual([21, 62, 63, 124]);
  });

  it("the pad value has to be the bias of every channel, within float32's rounding of its terms", () => {
    const biased = convolutionMap(Float64Array.of(1, 1, 1), [0, 2, -4], {
      ...{ outChannels: 3, inChannels: 1, kernelSize: [1, 1] },
    });
    const pads: Pads = [0, 1, 0, 0];
    const refusal = (value: number[] | undefined) => paddingObstacle(biased, pads, value)?.refused;
    expect(refusal([0, 2, -4])).toBeUndefined();
    expect(refusal([0, 2 + 2 ** -21, -4 - 2 ** -20])).toBeUndefined();
    expect(refusal([0, 2 + 2 ** -18, -4])).toMatch(/pad value 2\.00000\d+ is not the bias 2 \(channel 1\)/);
    expect(refusal([0, 2, -4 + 2 ** -17])).toMatch(/channel 2/);
    expect(refusal([1e-9, 2, -4])).toMatch(/pad value 1e-9 is not the bias 0 \(channel 0\)/);
    expect(refusal(undefined)).toMatch(/a bias comes before zero padding \(channel 1: 2\)/);
    expect(paddingObstacle(biased, [0, 0, 0, 0], [7, 7, 7])).toBeUndefined();
    for (let side = 0; side < 4; side++) {
      const cropped = [0, 0, 0, 0].with(side, -1);
      expect(paddingObstacle(biased, cropped, undefined)).toBeUndefined();
      expect(paddingObstacle(biased, cropped.with((side + 1) % 4, 1), undefined)?.refused).toMatch(/bias comes before/);
    }
    expect(accepted(padOutput(biased, [1, 2, 3, 4], [0, 2, -4]))).toMatchObject({ pads: [1, 2, 3, 4] });
  });
});

describe("the magnitude behind a bias", () => {
  /** A bias that is what is left of terms of this size. */
  const noisy = (map: LinearMap, bias: number[], biasScale: number[]): LinearMap => ({
    ...map,
    bias: Float64Array.from(bias),
    biasScale: Float64Array.from(biasScale),
  });

  it("of a composition is the sum of magnitudes, not the magnitude of sums", () => {
    // Outer weights that cancel: each of the two inner biases of 1000 counts whole.
    const outer = convolutionMap(Float64Array.of(3, -3, 1, 2), [0.5, 0], {
      ...{ outChannels: 2, inChannels: 2, kernelSize: [1, 1] },
    });
    const inner = noisy(identityMap(2), [1000, 1000], [1000, 4000]);
    const composed = accepted(
      compose(outer, { ...inner, kernelSize: [1, 1], pads: [0, 0, 0, 0], kernel: scaledBy(inner, -1).kernel }),
    );
    expect([...composed.bias]).toEqual([0.5, 3000]);
    expect([...composed.biasScale]).toEqual([0.5 + 3 * 1000 + 3 * 4000, 1000 + 2 * 4000]);
    // Taps that cancel within one channel, too.
    const taps = convolutionMap(Float64Array.of(1, -1, 2), undefined, {
      ...{ outChannels: 1, inChannels: 1, kernelSize: [1, 3] },
    });
    const scaled = applyAffine(identityMap(1), affine(1, { scale: [2], shift: [10] }));
    const wide = accepted(compose(taps, scaled));
    expect([[...wide.bias], [...wide.biasScale]]).toEqual([[20], [40]]);
    // So what float32 leaves of a cancellation is still noise behind it, and may be padded with zero.
    const cancelled = noisy(scaled, [2 ** -24], [16]);
    const through = accepted(
      compose(
        convolutionMap(Float64Array.of(1), undefined, { outChannels: 1, inChannels: 1, kernelSize: [1, 1] }),
        cancelled,
      ),
    );
    expect(paddingObstacle(through, [1, 1, 1, 1], undefined)).toBeUndefined();
  });

  it("of a composition goes by its groups", () => {
    const rng = new Rng(3);
    const outer = randomMap(rng, { outChannels: 6, inChannels: 4, groups: 2, kernelSize: [2, 3] });
    const inner = randomMap(rng, { outChannels: 4, inChannels: 4, groups: 4, kernelSize: [1, 2] });
    const composed = accepted(compose(outer, inner));
    const weight = weightOf(outer);
    for (let o = 0; o < 6; o++) {
      let [bias, scale] = [outer.bias[o]!, outer.biasScale[o]!];
      for (let m = 0; m < 2; m++) {
        for (let tap = 0; tap < 6; tap++) {
          const w = weight[(o * 2 + m) * 6 + tap]!;
          const middle = Math.floor(o / 3) * 2 + m;
          bias += w * inner.bias[middle]!;
          scale += Math.abs(w) * inner.biasScale[middle]!;
        }
      }
      expect(composed.bias[o]).toBeCloseTo(bias, 12);
      expect(composed.biasScale[o]).toBeCloseTo(scale, 12);
    }
  });

  it("of a sum, a difference and a concatenation is that of its parts; a negation keeps it", () => {
    const [a, b] = [noisy(identityMap(2), [1, 2], [10, 20]), noisy(identityMap(2), [5, -2], [50, 7])];
    const parts = ({ bias, biasScale }: LinearMap) => [[...bias], [...biasScale]];
    expect(parts(accepted(sum([a, b])))).toEqual([
      [6, 0],
      [60, 27],
    ]);
    expect(parts(accepted(sum([a, scaledBy(b, -1)])))).toEqual([
      [-4, 4],
      [60, 27],
    ]);
    expect(parts(scaledBy(b, -1))).toEqual([
      [-5, 2],
      [50, 7],
    ]);
    expect(parts(accepted(concat([a, b])))).toEqual([
      [1, 2, 5, -2],
      [10, 20, 50, 7],
    ]);
  });

  it("of an affine step is |scale| times it and the shift's own", () => {
    const start = noisy(identityMap(2), [1, -2], [10, 20]);
    const step = applyAffine(start, affine(2, { scale: [-3, 0.5], shift: [-7, 1] }));
    expect([...step.bias]).toEqual([-10, 0]);
    expect([...step.biasScale]).toEqual([37, 11]);
    const { scale, shift, shiftScale } = batchNormAffine({
      ...{ gamma: [-2, 3], beta: [1, -5], mean: [4, -6], variance: [3.99, 0.24], epsilon: 0.01 },
    });
    expect([...scale]).toEqual([-1, 6].map((value) => expect.closeTo(value, 12)));
    expect([...shift]).toEqual([1 + 4, -5 + 36].map((value) => expect.closeTo(value, 12)));
    expect([...shiftScale]).toEqual([1 + 4, 5 + 36].map((value) => expect.closeTo(value, 12)));
    expect(affine(2, { shift: [-1, 2] })).toEqual({
      scale: Float64Array.of(1, 1),
      shift: Float64Array.of(-1, 2),
      shiftScale: Float64Array.of(1, 2),
    });
    expect(affine(2, { scale: [3, 4] })).toEqual({
      scale: Float64Array.of(3, 4),
      shift: new Float64Array(2),
      shiftScale: new Float64Array(2),
    });
    const plain = convolutionMap(Float64Array.of(1, 1), [-3, 4], { outChannels: 2, inChannels: 1, kernelSize: [1, 1] });
    expect([...plain.biasScale]).toEqual([3, 4]);
  });
});

describe("groups", () => {
  it("of a sum are the common ones, and none where the maps read other channels than one another", () => {
    const rng = new Rng(1);
    const window = (firstChannel: number, inChannels: number, groups: number): LinearMap => ({
      ...randomMap(rng, { outChannels: 4, inChannels, groups, kernelSize: [1, 1] }),
      ...{ firstChannel, sourceChannels: 8 },
    });
    const x = randomPicture(rng, 8, 3, 4);
    const cases: [LinearMap[], number, number, number][] = [
      [[window(0, 4, 4), window(4, 4, 4)], 1, 0, 8],
      [[window(0, 4, 4), window(0, 4, 4)], 4, 0, 4],
      [[window(2, 4, 4), window(2, 4, 2)], 2, 2, 4],
      [[window(0, 4, 2), window(2, 4, 2)], 1, 0, 6],
      [[window(4, 4, 2), window(2, 4, 2)], 1, 2, 6],
      [[window(0, 8, 4), window(0, 4, 4)], 1, 0, 8], // one begins where the other does but ends elsewhere
      [[window(4, 4, 4), window(0, 8, 4)], 1, 0, 8],
    ];
    for (const [maps, groups, firstChannel, inChannels] of cases) {
      const total = accepted(sum(maps));
      expect(total).toMatchObject({ groups, firstChannel, inChannels, sourceChannels: 8 });
      const [a, b] = maps.map((map) => applyMap(map, x)) as [Picture, Picture];
      const wanted: Picture = { ...a, at: (c, y, z) => a.at(c, y, z) + b.at(c, y, z) };
      expect(distance(applyMap(total, x), wanted)).toBeLessThan(close);
    }
  });

  it("are found again only where every weight outside the blocks is zero", () => {
    const geometry = { outChannels: 4, inChannels: 4, kernelSize: [1, 3] as const };
    const block = (groups: number): Float64Array => {
      const weight = new Float64Array(4 * 4 * 3);
      for (let o = 0; o < 4; o++)
        for (let i = 0; i < 4; i++)
          if (Math.floor((o * groups) / 4) === Math.floor((i * groups) / 4))
            for (let t = 0; t < 3; t++) weight[(o * 4 + i) * 3 + t] = 1 + o * 12 + i * 3 + t;
      return weight;
    };
    for (const groups of [1, 2, 4]) {
      const map = convolutionMap(block(groups), undefined, geometry);
      const compact = compactGroups(map);
      expect(compact.groups).toBe(groups);
      expect(weightOf({ ...compact, ...expandGroups(compact, 1) })).toEqual(block(groups));
      // One weight anywhere outside the blocks, be it just beside one, forbids them.
      const dense = block(groups);
      for (let at = 0; at < dense.length; at++) {
        if (dense[at] !== 0) continue;
        const spoilt = dense.slice();
        spoilt[at] = 1e-300;
        const kept = compactGroups(convolutionMap(spoilt, undefined, geometry));
        expect(kept.groups).toBeLessThan(groups);
        expect(weightOf({ ...kept, ...expandGroups(kept, 1) })).toEqual(spoilt);
      }
    }
  });

  it("that are there are divided further, and other numbers of channels in and out are no hindrance", () => {
    // 2 groups of 2 → 4 channels each, of which each is two groups again.
    const weight = new Float64Array(8 * 2 * 2);
    for (let o = 0; o < 8; o++)
      for (let t = 0; t < 2; t++) weight[(o * 2 + (Math.floor(o / 2) % 2)) * 2 + t] = o + 1 + t / 8;
    const map = convolutionMap(weight, undefined, { outChannels: 8, inChannels: 4, groups: 2, kernelSize: [2, 1] });
    const compact = compactGroups(map);
    expect(compact).toMatchObject({ groups: 4, outChannels: 8, inChannels: 4 });
    expect([...weightOf(compact)]).toEqual(Array.from({ length: 16 }, (_, i) => Math.floor(i / 2) + 1 + (i % 2) / 8));
    const x = randomPicture(new Rng(2), 4, 4, 4);
    expect(distance(applyMap(compact, x), applyMap(map, x))).toBeLessThan(close);
    // 3 groups would divide nothing here.
    const odd = convolutionMap(new Float64Array(6 * 4).fill(1), undefined, {
      outChannels: 6,
      inChannels: 4,
      kernelSize: [1, 1],
    });
    expect(compactGroups(odd)).toBe(odd);
    const zeros = convolutionMap(new Float64Array(6 * 9), undefined, {
      outChannels: 6,
      inChannels: 9,
      kernelSize: [1, 1],
    });
    expect(compactGroups(zeros).groups).toBe(3);
  });

  it("can be fewer where that divides, and not otherwise", () => {
    const map = randomMap(new Rng(5), { outChannels: 8, inChannels: 8, groups: 4, kernelSize: [1, 1] });
    const x = randomPicture(new Rng(6), 8, 2, 2);
    for (const groups of [4, 2, 1]) {
      const fewer = expandGroups(map, groups);
      expect(weightOf(fewer).length).toBe(64 / groups);
      expect(distance(applyMap(fewer, x), applyMap(map, x))).toBeLessThan(close);
    }
    for (const groups of [3, 8]) expect(() => expandGroups(map, groups)).toThrow(/4 groups cannot be written as/);
  });
});

describe("long chains", () => {
  it("are computed on the way, so that no stack runs out, and stay the same map", () => {
    const step = affine(2, { scale: [1.0001, 0.9999], shift: [0.001, -0.002] });
    let map = identityMap(2);
    let deepest = 0;
    for (let i = 0; i < 20_000; i++) {
      map = settled(applyAffine(map, step));
      deepest = Math.max(deepest, map.kernel.depth);
    }
    expect(deepest).toBeLessThan(200);
    const weight = weightOf(map);
    expect(weight[0]).toBeCloseTo(1.0001 ** 20_000, 9);
    expect(weight[1]).toBeCloseTo(0.9999 ** 20_000, 12);
    expect(map).toMatchObject({ groups: 2, kernelSize: [1, 1], outChannels: 2 });
  });

  it("are left as they are while they are short", () => {
    const scaled = applyAffine(identityMap(2), affine(2, { scale: [2, 3] }));
    expect(settled(scaled)).toBe(scaled);
    const heights: number[] = [];
    let map: LinearMap = identityMap(1);
    for (let i = 0; i < 150; i++) {
      map = applyAffine(map, affine(1, { scale: [1] }));
      heights.push(map.kernel.depth);
      const after = settled(map);
      expect(after.kernel.depth).toBe(map.kernel.depth < 100 ? map.kernel.depth : 0);
      expect(weightOf(after)).toEqual(weightOf(map));
    }
    expect(heights.slice(0, 3)).toEqual([1, 2, 3]);
    const sums = accepted(sum([map, identityMap(1)]));
    expect(sums.kernel.depth).toBe(151);
    expect(accepted(concat([identityMap(1), map])).kernel.depth).toBe(151);
    const point = randomMap(new Rng(1), { outChannels: 1, inChannels: 1, kernelSize: [1, 1] });
    expect(accepted(compose(point, map)).kernel).toMatchObject({ depth: 151, whole: true });
    expect(accepted(compose(map, applyAffine(point, affine(1, { scale: [2] })))).kernel.depth).toBe(151);
    expect(sums.kernel.whole).toBe(false);
    expect(accepted(sum([accepted(compose(point, point)), point])).kernel.whole).toBe(true);
  });
});

describe("geometry", () => {
  const geometry: MapGeometry = {
    ...{ outChannels: 6, inChannels: 4, firstChannel: 0, sourceChannels: 4, groups: 2 },
    ...{ kernelSize: [3, 5], stride: [1, 2], pads: [0, 1, 2, 3], dilation: [2, 1], upsampling: [1, 1] },
  };

  it("counts weights, extents and common divisors, and describes kernels", () => {
    expect(weightCount(geometry)).toBe(6 * 2 * 15);
    expect([extent(geometry, 0), extent(geometry, 1)]).toEqual([5, 5]);
    expect(describeKernel(geometry)).toBe("3×5 (dilation 2×1)");
    expect(describeKernel({ ...geometry, dilation: [1, 3] })).toBe("3×5 (dilation 1×3)");
    expect(describeKernel({ ...geometry, dilation: [1, 1] })).toBe("3×5");
    expect([gcd(12, 18), gcd(0, 7), gcd(7, 0), gcd(-12, 18), gcd(12, -18), gcd(5, 7)]).toEqual([6, 7, 7, 6, 6, 1]);
  });

  it("of a convolution has ONNX's defaults; a bias is copied, weights are not", () => {
    const weight = Float64Array.of(1, 2);
    const bias = Float64Array.of(3, 4);
    const map = convolutionMap(weight, bias, { outChannels: 2, inChannels: 1, kernelSize: [1, 1] });
    expect(map).toMatchObject({
      ...{ groups: 1, stride: [1, 1], pads: [0, 0, 0, 0], dilation: [1, 1], firstChannel: 0, sourceChannels: 1 },
    });
    [weight[0], bias[0]] = [10, 30];
    expect([...weightOf(map), ...map.bias]).toEqual([10, 2, 3, 4]);
    for (const [outChannels, inChannels] of [
      [4, 3],
      [3, 4],
    ] as const) {
      const weights = new Float64Array(6);
      expect(() =>
        convolutionMap(weights, undefined, { outChannels, inChannels, groups: 2, kernelSize: [1, 1] }),
      ).toThrow(`${inChannels} → ${outChannels} channels do not divide by 2 groups`);
    }
  });

  it("of a pool divides by the whole window", () => {
    const pool = averagePoolMap(3, { kernelSize: [2, 4], stride: [2, 3], pads: [1, 2, 0, 1], dilation: [1, 2] });
    expect(pool).toMatchObject({ outChannels: 3, inChannels: 3, groups: 3, kernelSize: [2, 4], stride: [2, 3] });
    expect(pool).toMatchObject({ pads: [1, 2, 0, 1], dilation: [1, 2] });
    expect([...weightOf(pool)]).toEqual(new Array(24).fill(1 / 8));
    expect(pool.bias.every((b) => b === 0)).toBe(true);
  });

  it("of a dense kernel has its taps where the dilated one has them", () => {
    const map = randomMap(new Rng(4), { outChannels: 2, inChannels: 1, kernelSize: [2, 3], dilation: [3, 2] });
    const dense = denseKernel(map);
    expect(dense).toMatchObject({ kernelSize: [4, 5], dilation: [1, 1], pads: [0, 0, 0, 0] });
    const [sparse, spread] = [weightOf(map), weightOf(dense)];
    expect(spread.filter((w) => w !== 0).length).toBe(12);
    for (let o = 0; o < 2; o++)
      for (let y = 0; y < 2; y++)
        for (let x = 0; x < 3; x++) expect(spread[(o * 4 + 3 * y) * 5 + 2 * x]).toBe(sparse[(o * 2 + y) * 3 + x]);
  });

  it("of a composition with one tap keeps the other's steps; the identity changes nothing", () => {
    const rng = new Rng(8);
    const wide = randomMap(
      rng,
      { outChannels: 2, inChannels: 2, kernelSize: [3, 1], dilation: [2, 5], stride: [2, 1] },
      false,
    );
    const point = randomMap(rng, { outChannels: 2, inChannels: 2, kernelSize: [1, 1], dilation: [7, 7] }, false);
    expect(accepted(compose(point, wide))).toMatchObject({ kernelSize: [3, 1], dilation: [2, 1], stride: [2, 1] });
    expect(accepted(compose(wide, point))).toMatchObject({ kernelSize: [3, 1], dilation: [2, 1], stride: [2, 1] });
    const strided = { ...point, stride: [3, 2] as const };
    expect(accepted(compose(wide, strided))).toMatchObject({ kernelSize: [3, 1], dilation: [6, 1], stride: [6, 2] });
    expect(accepted(compose(wide, identityMap(2))).kernel).toBe(wide.kernel);
    const padded = accepted(padOutput(identityMap(2), [1, 0, 0, 0]));
    expect(accepted(compose(wide, padded))).toMatchObject({ pads: [1, 0, 0, 0] });
    const grid = randomMap(rng, { outChannels: 2, inChannels: 2, kernelSize: [2, 2], dilation: [4, 6] }, false);
    const finer = randomMap(rng, { outChannels: 2, inChannels: 2, kernelSize: [3, 2], dilation: [6, 3] }, false);
    expect(accepted(compose(grid, finer))).toMatchObject({ kernelSize: [9, 4], dilation: [2, 3] });
  });

  it("of a sum holds all taps at their places, in each axis by itself", () => {
    const rng = new Rng(9);
    const map = (kernelSize: Pair, pads: Pads, dilation: Pair = [1, 1]): LinearMap =>
      randomMap(rng, { outChannels: 1, inChannels: 1, kernelSize, pads, dilation });
    expect(accepted(sum([map([3, 1], [1, 0, 1, 0]), map([1, 3], [0, 1, 0, 1])]))).toMatchObject({
      ...{ kernelSize: [3, 3], pads: [1, 1, 1, 1], dilation: [1, 1] },
    });
    // Taps of step 2 around a centre stay of step 2; an offset of 1 needs step 1.
    expect(accepted(sum([map([3, 3], [2, 2, 2, 2], [2, 2]), map([1, 1], [0, 0, 0, 0])]))).toMatchObject({
      ...{ kernelSize: [3, 3], pads: [2, 2, 2, 2], dilation: [2, 2] },
    });
    expect(accepted(sum([map([3, 1], [2, 0, 2, 0], [2, 1]), map([3, 1], [1, 0, 1, 0])]))).toMatchObject({
      ...{ kernelSize: [5, 1], pads: [2, 0, 2, 0], dilation: [1, 1] },
    });
    expect(accepted(sum([map([1, 1], [0, 0, 0, 0]), map([1, 1], [0, 0, 0, 0], [3, 3])]))).toMatchObject({
      ...{ kernelSize: [1, 1], dilation: [1, 1] },
    });
    // Lopsided: one looks back, the other ahead.
    expect(accepted(sum([map([1, 3], [0, 2, 0, 0]), map([1, 4], [0, 0, 0, 3])]))).toMatchObject({
      ...{ kernelSize: [1, 6], pads: [0, 2, 0, 3] },
    });
  });

  it("tells which branch differs, and that it does for every size or for this one", () => {
    const rng = new Rng(10);
    const map = (over: object): LinearMap =>
      randomMap(rng, { outChannels: 2, inChannels: 2, kernelSize: [3, 3], pads: [1, 1, 1, 1], ...over });
    const refused = (result: ReturnType<typeof sum>): string => (isRefusal(result) ? result.refused : "");
    expect(refused(sum([map({}), map({ stride: [1, 2] })]))).toBe("branches have unequal strides, 1 and 2");
    expect(refused(sum([map({}), map({ stride: [3, 1] })]))).toBe("branches have unequal strides, 1 and 3");
    const small = map({ pads: [1, 0, 1, 0] });
    expect(refused(sum([small, map({ kernelSize: [5, 5], pads: [2, 2, 2, 2] })]))).toBe(
      "the 3×3 and 5×5 branches do not give one size for every input size",
    );
    expect(refused(sum([map({}), small], [8, 8]))).toBe("the 3×3 and 3×3 branches do not give one size");
    expect(refused(sum([map({ pads: [0, 1, 1, 1] }), map({})], [8, 8]))).toMatch(/do not give one size$/);
    expect(refused(concat([map({}), map({ stride: [2, 2] })]))).toBe("branches have unequal strides, 1 and 2");
  });
});

describe("rows of a kernel", () => {
  it("are written in blocks, from any to any, as they are in the whole", () => {
    const rng = new Rng(11);
    // Rows so long that only a few make a block.
    const stored = randomMap(rng, { outChannels: 7, inChannels: 4000, kernelSize: [3, 3] });
    const scaled = applyAffine(stored, affine(7, { scale: [1, 2, 3, 4, 5, 6, 7] }));
    const weight = weightOf(scaled);
    for (const [first, last] of [
      [0, 7],
      [1, 6],
      [6, 7],
      [0, 1],
    ] as const) {
      for (const Kind of [Float32Array, Float64Array]) {
        const target = new Kind((last - first) * 36_000);
        writeWeight(scaled, target, [first, last]);
        const wanted = Kind.from(weight.subarray(first * 36_000, last * 36_000));
        expect(target.findIndex((w, i) => w !== wanted[i])).toBe(-1);
      }
    }
    const composed = accepted(
      compose(
        randomMap(rng, { outChannels: 5, inChannels: 4, kernelSize: [1, 1] }),
        randomMap(rng, { outChannels: 4, inChannels: 3, kernelSize: [3, 3] }),
      ),
    );
    const part = new Float64Array(3 * 27);
    writeWeight(composed, part, [1, 4]);
    expect(part).toEqual(weightOf(composed).slice(27, 4 * 27));
  });
});
