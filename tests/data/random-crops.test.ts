import { describe, expect, test } from "vitest";
import { Rng } from "#repvgg/core/rng.js";
import { padAndCrop, randomResizedCropRegion } from "#repvgg/data/augmentation/crops.js";
import { eraseRandomly } from "#repvgg/data/augmentation/random-erasing.js";
import { uniform, wavesAndNoise } from "./pictures.js";

const imagenet = { kind: "random-resized", scale: [0.08, 1], ratio: [3 / 4, 4 / 3] } as const;

describe("RandomResizedCrop", () => {
  test("areas and aspects fill their ranges, positions the picture", () => {
    const rng = new Rng(1);
    const [height, width] = [300, 400];
    const regions = Array.from({ length: 4000 }, () => randomResizedCropRegion(height, width, imagenet, rng));
    const areas = regions.map((r) => (r.height * r.width) / (height * width));
    const aspects = regions.map((r) => r.width / r.height);
    expect(Math.min(...areas)).toBeGreaterThan(0.078);
    expect(Math.min(...areas)).toBeLessThan(0.09);
    expect(Math.max(...areas)).toBeLessThanOrEqual(1);
    expect(Math.max(...areas)).toBeGreaterThan(0.95);
    expect(Math.min(...aspects)).toBeGreaterThan(0.73);
    expect(Math.max(...aspects)).toBeLessThan(1.36);
    // The aspect is log-uniform: its logarithm averages 0, but what does not fit is drawn again, which favours wide ones.
    const meanLog = aspects.reduce((sum, a) => sum + Math.log(a), 0) / aspects.length;
    expect(Math.abs(meanLog)).toBeLessThan(0.05);
    // Rejection of what does not fit lowers the mean area below the uniform 0.54: its integral over area and aspect.
    const meanArea = areas.reduce((sum, a) => sum + a, 0) / areas.length;
    expect(Math.abs(meanArea - acceptedMeanArea(height, width))).toBeLessThan(0.02);
    for (const r of regions) {
      expect(r.top >= 0 && r.left >= 0 && r.top + r.height <= height && r.left + r.width <= width).toBe(true);
    }
    const centre = regions.reduce((sum, r) => sum + r.left + r.width / 2, 0) / regions.length;
    expect(Math.abs(centre - width / 2)).toBeLessThan(4);
  });

  test("takes the largest centred rectangle where none fits", () => {
    const config = { kind: "random-resized", scale: [0.9, 1], ratio: [3 / 4, 4 / 3] } as const;
    expect(randomResizedCropRegion(10, 100, config, new Rng(1))).toEqual({ top: 0, left: 43, height: 10, width: 13 });
    expect(randomResizedCropRegion(100, 9, config, new Rng(1))).toEqual({ top: 44, left: 0, height: 12, width: 9 });
  });
});

/** How often each value occurs, of `draws` drawn ones. */
function frequencies(draws: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const value of draws) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

/** Every value of 0 … last occurs, about equally often, and no other. */
function expectUniform(draws: readonly number[], last: number): void {
  const counts = frequencies(draws);
  const wanted = draws.length / (last + 1);
  expect([...counts.keys()].sort((a, b) => a - b)).toEqual(Array.from({ length: last + 1 }, (_, i) => i));
  for (const count of counts.values()) expect(Math.abs(count - wanted)).toBeLessThan(5 * Math.sqrt(wanted));
}

describe("random rectangles", () => {
  test("of a crop lie at every place that they fit into, the last row and column included", () => {
    const config = { kind: "random-resized", scale: [0.25, 0.25], ratio: [1, 1] } as const;
    const rng = new Rng(5);
    const regions = Array.from({ length: 3000 }, () => randomResizedCropRegion(8, 8, config, rng));
    expect(new Set(regions.map(({ height, width }) => `${height}×${width}`))).toEqual(new Set(["4×4"]));
    expectUniform(
      regions.map(({ top }) => top),
      4,
    );
    expectUniform(
      regions.map(({ left }) => left),
      4,
    );
  });

  test("of a crop may be the whole picture, whatever its sides", () => {
    const whole = { kind: "random-resized", scale: [1, 1], ratio: [1.5, 1.5] } as const;
    expect(randomResizedCropRegion(20, 30, whole, new Rng(1))).toEqual({ top: 0, left: 0, height: 20, width: 30 });
    const tall = { kind: "random-resized", scale: [0.5, 0.5], ratio: [0.5, 0.5] } as const;
    expect(randomResizedCropRegion(20, 20, tall, new Rng(1))).toMatchObject({ height: 20, width: 10 });
    const wide = { kind: "random-resized", scale: [0.5, 0.5], ratio: [2, 2] } as const;
    expect(randomResizedCropRegion(20, 20, wide, new Rng(1))).toMatchObject({ height: 10, width: 20 });
    expect(randomResizedCropRegion(1, 1, imagenet, new Rng(1))).toEqual({ top: 0, left: 0, height: 1, width: 1 });
  });

  test("of a crop that cannot fit keep the nearest aspect that is allowed, at least one pixel", () => {
    const square = { kind: "random-resized", scale: [1, 1], ratio: [1, 1] } as const;
    expect(randomResizedCropRegion(10, 31, square, new Rng(1))).toEqual({ top: 0, left: 10, height: 10, width: 10 });
    expect(randomResizedCropRegion(31, 10, square, new Rng(1))).toEqual({ top: 10, left: 0, height: 10, width: 10 });
    const narrow = { kind: "random-resized", scale: [1, 1], ratio: [0.01, 0.01] } as const;
    expect(randomResizedCropRegion(20, 30, narrow, new Rng(1))).toEqual({ top: 0, left: 14, height: 20, width: 1 });
    const flat = { kind: "random-resized", scale: [1, 1], ratio: [100, 100] } as const;
    expect(randomResizedCropRegion(30, 20, flat, new Rng(1))).toEqual({ top: 14, left: 0, height: 1, width: 20 });
  });

  test("that are erased lie at every place, are of their range's sizes, and hold one value or noise", () => {
    const rng = new Rng(6);
    const config = { probability: 1, scale: [0.25, 0.25], ratio: [1, 1], fill: 7 } as const;
    const [tops, lefts]: number[][] = [[], []];
    for (let i = 0; i < 2000; i++) {
      const { data } = eraseRandomly(uniform(8, 8, 3, 200), config, rng);
      const erased = [...data.keys()].filter((at) => data[at] !== 200);
      const [top, left] = [Math.floor(erased[0]! / 24), Math.floor((erased[0]! % 24) / 3)];
      const wanted = [...data.keys()].filter((at) => {
        const [y, x] = [Math.floor(at / 24), Math.floor((at % 24) / 3)];
        return y >= top && y < top + 4 && x >= left && x < left + 4;
      });
      expect(erased).toEqual(wanted);
      expect(erased.every((at) => data[at] === 7)).toBe(true);
      tops!.push(top);
      lefts!.push(left);
    }
    expectUniform(tops!, 4);
    expectUniform(lefts!, 4);
    // A rectangle as high or as wide as the picture is drawn again; where none is smaller, nothing is erased.
    for (const ratio of [
      [4, 4],
      [0.25, 0.25],
    ] as const) {
      const image = uniform(8, 8, 1, 200);
      expect(eraseRandomly(image, { ...config, scale: [0.25, 0.25], ratio }, new Rng(1))).toBe(image);
      const thin = eraseRandomly(image, { ...config, scale: [1 / 16, 1 / 16], ratio }, new Rng(1)).data;
      expect(thin.filter((value) => value === 7).length).toBe(4);
      const rows = new Set([...thin.keys()].filter((at) => thin[at] === 7).map((at) => at >> 3));
      expect(rows.size).toBe(ratio[0] > 1 ? 4 : 1);
    }
    const image = uniform(8, 8, 1, 200);
    for (let i = 0; i < 50; i++) expect(eraseRandomly(image, { ...config, probability: 0 }, rng)).toBe(image);
    const pixel = uniform(1, 1, 1, 200);
    expect(eraseRandomly(pixel, { ...config, scale: [0.9, 1] }, rng)).toBe(pixel);
    // So thin that no pixel of it is left: drawn again, and then given up.
    const large = uniform(30, 30, 1, 200);
    for (const ratio of [100, 0.01])
      expect(eraseRandomly(large, { ...config, scale: [0.002, 0.002], ratio: [ratio, ratio] }, new Rng(1))).toBe(large);
    const noise = eraseRandomly(uniform(64, 64, 3, 0), { ...config, fill: "noise" }, new Rng(2)).data;
    const inside = noise.filter((value) => value > 0);
    expect(inside.length).toBeGreaterThan(32 * 32 * 3 * 0.98);
    expect(inside.length).toBeLessThanOrEqual(32 * 32 * 3);
    expect(inside.reduce((sum, value) => sum + value, 0) / inside.length).toBeGreaterThan(120);
    expect(inside.reduce((sum, value) => sum + value, 0) / inside.length).toBeLessThan(136);
  });
});

/** The mean of areas that fit, by the midpoint rule, for the ImageNet ranges. */
function acceptedMeanArea(height: number, width: number): number {
  const [steps, low, high] = [200, Math.log(3 / 4), Math.log(4 / 3)];
  let [sum, count] = [0, 0];
  for (let i = 0; i < steps; i++) {
    for (let j = 0; j < steps; j++) {
      const area = 0.08 + (0.92 * (i + 0.5)) / steps;
      const ratio = Math.exp(low + ((high - low) * (j + 0.5)) / steps);
      const fits = area * ratio <= width / height && area / ratio <= height / width;
      if (fits) [sum, count] = [sum + area, count + 1];
    }
  }
  return sum / count;
}

describe("pad and crop", () => {
  const image = { width: 3, height: 2, channels: 1 as const, data: Uint8Array.of(1, 2, 3, 4, 5, 6) };
  test("the middle is the picture", () => {
    expect(padAndCrop(image, 2, "zero", 2, 2)).toEqual(image);
    expect(padAndCrop(image, 2, "reflect", 2, 2)).toEqual(image);
  });
  test("any shift is a window of the padded picture, of any shape, by each axis' own size", () => {
    /** Walks to and fro between the ends. */
    const mirrored = (index: number, size: number): number => {
      let [at, step] = [0, index < 0 ? -1 : 1];
      for (let i = 0; i < Math.abs(index) && size > 1; i++) {
        if (at + step < 0 || at + step >= size) step = -step;
        at += step;
      }
      return at;
    };
    for (const [width, height, channels] of [
      [5, 2, 3],
      [2, 5, 1],
      [1, 4, 3],
      [3, 1, 1],
    ] as const) {
      const picture = wavesAndNoise(width, height, channels, 3);
      for (const fill of ["zero", "reflect"] as const) {
        for (let top = 0; top <= 6; top++) {
          for (let left = 0; left <= 6; left++) {
            const wanted = Uint8Array.from({ length: width * height * channels }, (_, i) => {
              const [y, x] = [
                Math.floor(i / channels / width) + top - 3,
                (Math.floor(i / channels) % width) + left - 3,
              ];
              const inside = y >= 0 && y < height && x >= 0 && x < width;
              if (fill === "zero" && !inside) return 0;
              return picture.data[(mirrored(y, height) * width + mirrored(x, width)) * channels + (i % channels)]!;
            });
            expect(padAndCrop(picture, 3, fill, top, left)).toEqual({ width, height, channels, data: wanted });
          }
        }
      }
    }
  });

  test("shifts bring zeros or the reflected picture", () => {
    expect([...padAndCrop(image, 1, "zero", 0, 2).data]).toEqual([0, 0, 0, 2, 3, 0]);
    expect([...padAndCrop(image, 1, "reflect", 0, 2).data]).toEqual([5, 6, 5, 2, 3, 2]);
    expect([...padAndCrop(image, 2, "reflect", 2, 0).data]).toEqual([3, 2, 1, 6, 5, 4]);
  });
});

describe("random erasing", () => {
  const config = { probability: 0.5, scale: [0.02, 0.33], ratio: [0.3, 3.3], fill: 0 } as const;
  test("erases rectangles of its area range with its probability", () => {
    const rng = new Rng(3);
    const image = uniform(32, 32, 1, 255);
    const fractions: number[] = [];
    for (let i = 0; i < 2000; i++) {
      const erased = eraseRandomly(image, config, rng).data.filter((value) => value === 0).length / 1024;
      if (erased > 0) fractions.push(erased);
    }
    expect(fractions.length / 2000).toBeGreaterThan(0.45);
    expect(fractions.length / 2000).toBeLessThan(0.55);
    expect(Math.min(...fractions)).toBeLessThan(0.04);
    expect(Math.max(...fractions)).toBeLessThan(0.36);
    expect(Math.max(...fractions)).toBeGreaterThan(0.3);
    expect(image.data.every((value) => value === 255)).toBe(true);
  });
  test("noise fills with many values", () => {
    const erased = eraseRandomly(uniform(32, 32, 3, 0), { ...config, probability: 1, fill: "noise" }, new Rng(1));
    expect(new Set(erased.data).size).toBeGreaterThan(20);
  });
});
