import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Image } from "#repvgg/data/dataset.js";
import { evalTransform, frameForEvaluation } from "#repvgg/data/evaluation-transform.js";
import { centreCrop, crop, enlarge, flipHorizontal, toChannels } from "#repvgg/data/image.js";
import { resize } from "#repvgg/data/resize.js";
import { type ResizeJob, scalarPasses } from "#repvgg/data/resize-passes.js";
import { wasmPasses } from "#repvgg/data/resize-wasm.js";
import { uniform, wavesAndNoise } from "./pictures.js";

const side = fc.integer({ min: 1, max: 60 });
const channels = fc.constantFrom<1 | 3>(1, 3);

describe("resize", () => {
  test("keeps a picture of one value", () => {
    fc.assert(
      fc.property(side, side, side, side, channels, fc.integer({ min: 0, max: 255 }), (w, h, toH, toW, c, value) => {
        expect(resize(uniform(w, h, c, value), toH, toW)).toEqual(uniform(toW, toH, c, value));
      }),
      { numRuns: 100 },
    );
  });

  test("stays within the range of the picture's values", () => {
    fc.assert(
      fc.property(side, side, side, side, channels, fc.integer(), (w, h, toH, toW, c, seed) => {
        const image = wavesAndNoise(w, h, c, seed);
        const { data } = resize(image, toH, toW);
        expect(Math.max(...data)).toBeLessThanOrEqual(Math.max(...image.data));
        expect(Math.min(...data)).toBeGreaterThanOrEqual(Math.min(...image.data));
      }),
      { numRuns: 100 },
    );
  });

  test("of a region is the resize of the crop; of a window the crop of the resize", () => {
    const image = wavesAndNoise(53, 41, 3, 1);
    const region = { top: 7, left: 11, height: 23, width: 31 };
    const window = { top: 3, left: 5, height: 20, width: 9 };
    const whole = resize(crop(image, region), 29, 17);
    expect(resize(image, 29, 17, { region })).toEqual(whole);
    expect(resize(image, 29, 17, { region, window })).toEqual(crop(whole, window));
    expect(resize(image, 23, 31, { region, window })).toEqual(crop(crop(image, region), window));
  });

  test("to the same size is the picture", () => {
    const image = wavesAndNoise(13, 9, 3, 2);
    expect(resize(image, 9, 13)).toEqual(image);
  });
});

/** Weights of whole rows and columns, of any values that sum to about 2^22, as those of a filter do. */
function taps(inSize: number, outSize: number, rng: () => number): ResizeJob["across"] {
  const stride = 1 + Math.floor(4 * rng());
  const counts = Int32Array.from({ length: outSize }, () => 1 + Math.floor(Math.min(stride, inSize) * rng()));
  const starts = counts.map((count) => Math.floor((inSize - count + 1) * rng())).sort();
  starts.forEach((start, i) => {
    starts[i] = Math.min(start, inSize - counts[i]!);
  });
  const weights = new Int32Array(outSize * stride);
  counts.forEach((count, out) => {
    for (let i = 0; i < count; i++) weights[out * stride + i] = Math.ceil((1 << 22) / count) + (i === 0 ? 40 : 0);
  });
  return { starts, counts, weights, stride };
}

describe("the passes in WebAssembly", () => {
  test("give the bytes of those in TypeScript, whatever is read and weighed", () => {
    let compared = 0;
    fc.assert(
      fc.property(side, side, side, side, channels, fc.integer(), (inWidth, rows, width, height, c, seed) => {
        let state = seed >>> 0;
        const rng = (): number => {
          state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
          return state / 2 ** 32;
        };
        const across = rng() < 0.8 ? taps(inWidth, width, rng) : undefined;
        const down = rng() < 0.8 ? taps(rows, height, rng) : undefined;
        const stride = Math.max(inWidth, width) * c + Math.floor(5 * rng());
        const from = Math.floor(7 * rng());
        // Extreme values: rounding at both ends, and sums a little over 255.
        const source = Uint8Array.from({ length: from + rows * stride }, () => (rng() < 0.5 ? 255 : 256 * rng()));
        const job = {
          source,
          from,
          stride,
          rows,
          channels: c,
          width,
          height: down ? height : rows,
          firstRow: 0,
          across,
          down,
        };
        const expected = scalarPasses(job);
        const ours = wasmPasses(job);
        if (across || down) {
          expect(ours).toEqual(expected);
          compared++;
        } else expect(ours).toBeUndefined();
      }),
      { numRuns: 500 },
    );
    expect(compared).toBeGreaterThan(300);
  });

  test("also of pictures that are brought in in parts, the last of which ends with the picture", () => {
    const image = wavesAndNoise(1500, 700, 3, 5);
    const job = (data: Uint8Array): ResizeJob => ({
      source: data,
      from: 3 * 3,
      stride: 1500 * 3,
      rows: 700,
      channels: 3,
      width: 101,
      height: 97,
      firstRow: 0,
      across: taps(1497, 101, () => 0.7),
      down: taps(700, 97, () => 0.3),
    });
    expect(wasmPasses(job(image.data))).toEqual(scalarPasses(job(image.data)));
  });

  test("leave what would take a lot of memory to those in TypeScript", () => {
    const image = uniform(2, 2, 3, 9);
    const large = resize(image, 4000, 4000);
    expect(large.data.every((value) => value === 9)).toBe(true);
  });
});

describe("evaluation transform", () => {
  test("has the net's size and channels for any picture", () => {
    fc.assert(
      fc.property(side, side, channels, channels, fc.constantFrom(1, 0.875, 0.9), (w, h, from, to, cropRatio) => {
        const framing = { size: [24, 16] as const, channels: to, cropRatio };
        const image = frameForEvaluation(wavesAndNoise(w, h, from, 3), framing);
        expect([image.height, image.width, image.channels, image.data.length]).toEqual([24, 16, to, 24 * 16 * to]);
      }),
      { numRuns: 100 },
    );
  });

  test.each([
    // picture (height × width), net's input, crop ratio, the resized picture
    ["a square", [50, 50], [20, 20], 1, [20, 20]],
    ["a wide picture", [50, 100], [20, 20], 1, [20, 40]],
    ["a tall picture", [100, 50], [20, 20], 1, [40, 20]],
    ["a wide picture for a wide net", [50, 100], [20, 30], 1, [20, 40]],
    ["a wide picture for a wider net", [50, 100], [10, 30], 1, [15, 30]],
    ["a tall picture for a wide net", [100, 50], [20, 30], 1, [60, 30]],
    ["a tall picture for a tall net", [100, 50], [30, 12], 1, [30, 15]],
    ["sides that do not divide, rounded down", [37, 53], [20, 20], 1, [20, 28]],
    ["a part of the size", [60, 90], [21, 21], 0.875, [24, 36]],
    ["14 of 25, which a division makes 24.99…", [60, 60], [14, 14], 14 / 25, [25, 25]],
    ["the height so", [50, 100], [14, 10], 14 / 25, [25, 50]],
    ["the width so", [100, 50], [10, 14], 14 / 25, [50, 25]],
    ["27 of 30", [60, 120], [27, 18], 0.9, [30, 60]],
    ["a picture of the very size", [30, 30], [27, 27], 0.9, [30, 30]],
    ["one that is only as wide", [70, 30], [27, 27], 0.9, [70, 30]],
    ["one that grows", [5, 9], [20, 20], 1, [20, 36]],
  ] as const)("of %s is a crop from the middle of the covering resize", (_, [h, w], size, cropRatio, [toH, toW]) => {
    const image = wavesAndNoise(w, h, 3, 6);
    const framed = frameForEvaluation(image, { size, channels: 3, cropRatio });
    expect(framed).toEqual(centreCrop(resize(image, toH, toW), size[0], size[1]));
    const grey = frameForEvaluation(image, { size, channels: 1, cropRatio });
    expect(grey).toEqual(centreCrop(resize(toChannels(image, 1), toH, toW), size[0], size[1]));
  });

  test("crops from the middle, halves to even", () => {
    const column = (height: number): Image => ({
      ...{ width: 1, height, channels: 1 },
      data: Uint8Array.from({ length: height }, (_, i) => i),
    });
    const first = (height: number, kept: number): number => centreCrop(column(height), kept, 1).data[0]!;
    expect([first(7, 7), first(7, 5), first(8, 5), first(9, 4), first(10, 3), first(9, 2)]).toEqual([0, 1, 2, 2, 4, 4]);
    const wider = centreCrop({ width: 4, height: 1, channels: 1, data: Uint8Array.of(1, 2, 3, 4) }, 1, 7);
    expect([...wider.data]).toEqual([0, 1, 2, 3, 4, 0, 0]);
  });

  test("leaves no black border: the resized picture covers the net's input", () => {
    fc.assert(
      fc.property(side, side, fc.constantFrom(1, 0.875), (w, h, cropRatio) => {
        const data = evalTransform(uniform(w, h, 1, 200), { size: [19, 33], channels: 1, cropRatio });
        expect(data.every((value) => value === 200)).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  test("of a very long picture costs what its crop costs", () => {
    const data = evalTransform(uniform(1, 60000, 3, 9), { size: [224, 224], channels: 3, cropRatio: 0.875 });
    expect(data.length).toBe(224 * 224 * 3);
    expect(data.every((value) => value === 9)).toBe(true);
  });
});

describe("pictures", () => {
  test("grey to RGB and back is the picture; RGB to grey weighs green most", () => {
    const grey = wavesAndNoise(9, 7, 1, 4);
    expect(toChannels(toChannels(grey, 3), 1)).toEqual(grey);
    const primary = { width: 3, height: 1, channels: 3 as const, data: Uint8Array.of(255, 0, 0, 0, 255, 0, 0, 0, 255) };
    expect([...toChannels(primary, 1).data]).toEqual([76, 150, 29]);
  });

  test("a crop beyond the picture is black there", () => {
    const image = { width: 2, height: 2, channels: 1 as const, data: Uint8Array.of(1, 2, 3, 4) };
    expect([...crop(image, { top: -1, left: 1, height: 3, width: 2 }).data]).toEqual([0, 0, 2, 0, 4, 0]);
    expect([...centreCrop(image, 4, 4).data]).toEqual([0, 0, 0, 0, 0, 1, 2, 0, 0, 3, 4, 0, 0, 0, 0, 0]);
    expect([...crop(image, { top: 5, left: 5, height: 1, width: 2 }).data]).toEqual([0, 0]);
  });

  test("enlarging makes squares of the pixels", () => {
    for (const [w, h] of [
      [2, 3],
      [4, 1],
    ] as const) {
      const image = {
        width: w,
        height: h,
        channels: 3 as const,
        data: Uint8Array.from({ length: w * h * 3 }, (_, i) => i),
      };
      expect(enlarge(image, 1)).toBe(image);
      const { width, height, channels, data } = enlarge(image, 3);
      expect([width, height, channels]).toEqual([3 * w, 3 * h, 3]);
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          const [from, to] = [(Math.floor(y / 3) * w + Math.floor(x / 3)) * 3, (y * width + x) * 3];
          expect([...data.subarray(to, to + 3)]).toEqual([from, from + 1, from + 2]);
        }
      }
    }
  });

  test("a crop is the pixels of its rectangle, black beyond the picture, on every side", () => {
    for (const channels of [1, 3] as const) {
      const image = wavesAndNoise(4, 3, channels, 9);
      for (let top = -3; top <= 3; top++) {
        for (let left = -4; left <= 4; left++) {
          for (const [height, width] of [
            [2, 3],
            [5, 6],
          ] as const) {
            const data = Uint8Array.from({ length: height * width * channels }, (_, i) => {
              const [y, x] = [Math.floor(i / channels / width) + top, (Math.floor(i / channels) % width) + left];
              const inside = y >= 0 && y < 3 && x >= 0 && x < 4;
              return inside ? image.data[(y * 4 + x) * channels + (i % channels)]! : 0;
            });
            expect(crop(image, { top, left, height, width })).toEqual({ width, height, channels, data });
          }
        }
      }
      expect(crop(image, { top: 0, left: 0, height: 3, width: 4 })).toBe(image);
      const { width, height, data } = flipHorizontal(image);
      expect([width, height]).toEqual([4, 3]);
      data.forEach((value, i) => {
        const [y, x] = [Math.floor(i / channels / 4), Math.floor(i / channels) % 4];
        expect(value).toBe(image.data[(y * 4 + 3 - x) * channels + (i % channels)]);
      });
    }
  });

  test("flipping twice is the picture", () => {
    const image = wavesAndNoise(8, 5, 3, 5);
    expect(flipHorizontal(flipHorizontal(image))).toEqual(image);
    expect([...flipHorizontal(image).data.subarray(0, 3)]).toEqual([...image.data.subarray(21, 24)]);
  });
});
