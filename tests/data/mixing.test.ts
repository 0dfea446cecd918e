import { describe, expect, test } from "vitest";
import { rngFor } from "#repvgg/core/rng.js";
import { cutRegions, drawMixing, softTargets } from "#repvgg/data/augmentation/mixing.js";

const batch = { size: 8, height: 12, width: 10, channels: 1 };

describe("mixing", () => {
  test("depends on seed, epoch and step", () => {
    const draw = (seed: number, epoch: number, step: number) => drawMixing({ mixup: 0.2 }, seed, epoch, step, batch);
    expect(draw(1, 2, 3)).toEqual(draw(1, 2, 3));
    const lambdas = [draw(1, 2, 3), draw(1, 2, 4), draw(1, 3, 3), draw(2, 2, 3)].map((mixing) => mixing!.lambda);
    expect(new Set(lambdas).size).toBe(4);
  });

  test("is left out where nothing is configured or there is no partner", () => {
    expect(drawMixing({}, 1, 1, 1, batch)).toBeUndefined();
    expect(drawMixing({ mixup: 0, cutmix: 0 }, 1, 1, 1, batch)).toBeUndefined();
    expect(drawMixing({ mixup: 1 }, 1, 1, 1, { ...batch, size: 1 })).toBeUndefined();
  });

  test("partners are a permutation, lambda has the Beta distribution's mean and variance", () => {
    const draws = Array.from({ length: 4000 }, (_, step) => drawMixing({ mixup: 0.4 }, 1, 0, step, batch)!);
    expect([...draws[0]!.partner].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    const mean = draws.reduce((sum, { lambda }) => sum + lambda, 0) / draws.length;
    const variance = draws.reduce((sum, { lambda }) => sum + (lambda - mean) ** 2, 0) / draws.length;
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.02);
    expect(Math.abs(variance - 1 / (4 * (2 * 0.4 + 1)))).toBeLessThan(0.006);
  });

  test("CutMix: lambda is the area that stays; pixels come from the partner within the rectangle only", () => {
    for (let step = 0; step < 200; step++) {
      const mixing = drawMixing({ cutmix: 1 }, 5, 0, step, batch)!;
      const { top, left, height, width } = mixing.region!;
      expect(top >= 0 && left >= 0 && height >= 0 && width >= 0 && top + height <= 12 && left + width <= 10).toBe(true);
      expect(mixing.lambda).toBeCloseTo(1 - (height * width) / 120, 12);
      const pixels = Uint8Array.from({ length: 8 * 120 }, (_, i) => Math.floor(i / 120));
      cutRegions(pixels, batch, mixing);
      pixels.forEach((value, i) => {
        const [picture, y, x] = [Math.floor(i / 120), Math.floor((i % 120) / 10), i % 10];
        const inside = y >= top && y < top + height && x >= left && x < left + width;
        if (value !== (inside ? mixing.partner[picture] : picture)) throw new Error(`pixel ${i} of step ${step}`);
      });
    }
  });

  test("is drawn as the papers say it, of each axis by its own size", () => {
    for (const [mixup, cutmix] of [
      [0.4, 0],
      [0, 0.7],
      [0.4, 0.7],
    ] as const) {
      for (const shape of [batch, { size: 3, height: 5, width: 31 }]) {
        for (let step = 0; step < 60; step++) {
          const rng = rngFor(9, "mixing", 2, step);
          const cut = cutmix > 0 && (mixup === 0 || rng.next() < 0.5);
          const alpha = cut ? cutmix : mixup;
          const drawn = rng.beta(alpha, alpha);
          const partner = rng.shuffle(Int32Array.from({ length: shape.size }, (_, i) => i));
          const mixing = drawMixing({ mixup, cutmix }, 9, 2, step, shape)!;
          expect(mixing.partner).toEqual(partner);
          if (!cut) {
            expect(mixing).toEqual({ kind: "mixup", lambda: drawn, partner, region: undefined });
            continue;
          }
          const [y, x] = [rng.int(shape.height), rng.int(shape.width)];
          const reach = Math.sqrt(1 - drawn) / 2;
          const along = (centre: number, size: number): [number, number] => {
            const half = Math.trunc(reach * size);
            return [Math.max(0, centre - half), Math.min(size, centre + half)];
          };
          const [[top, bottom], [left, right]] = [along(y, shape.height), along(x, shape.width)];
          expect(mixing.kind).toBe("cutmix");
          expect(mixing.region).toEqual({ top, left, height: bottom - top, width: right - left });
          const area = (bottom - top) * (right - left);
          expect(mixing.lambda).toBeCloseTo(1 - area / (shape.height * shape.width), 12);
        }
      }
    }
  });

  test("pixels of pictures with channels are cut whole; without a rectangle nothing happens", () => {
    const shape = { size: 2, height: 3, width: 4, channels: 3 };
    const mixing = { kind: "cutmix", lambda: 0.5, partner: Int32Array.of(1, 0) } as const;
    const pixels = Float32Array.from({ length: 72 }, (_, i) => i);
    const region = { top: 1, left: 2, height: 2, width: 1 };
    const before = pixels.slice();
    expect(cutRegions(pixels, shape, { ...mixing, region })).toBe(pixels);
    pixels.forEach((value, i) => {
      const [picture, y, x] = [Math.floor(i / 36), Math.floor(i / 12) % 3, Math.floor(i / 3) % 4];
      expect(value).toBe(y >= 1 && x === 2 ? before[(1 - picture) * 36 + (i % 36)] : before[i]);
    });
    const kept = before.slice();
    expect(cutRegions(kept, shape, { ...mixing, kind: "mixup", region: undefined })).toBe(kept);
    expect(kept).toEqual(before);
  });

  test("with both, each is drawn about half of the time", () => {
    const kinds = Array.from(
      { length: 1000 },
      (_, step) => drawMixing({ mixup: 0.2, cutmix: 1 }, 1, 0, step, batch)!.kind,
    );
    const mixups = kinds.filter((kind) => kind === "mixup").length;
    expect(mixups).toBeGreaterThan(430);
    expect(mixups).toBeLessThan(570);
  });

  test("soft targets: smoothed, mixed, summing to 1", () => {
    const labels = Int32Array.of(0, 2);
    expect([...softTargets(labels, 4)]).toEqual([1, 0, 0, 0, 0, 0, 1, 0]);
    const mixing = { kind: "mixup", lambda: 0.75, partner: Int32Array.of(1, 0), region: undefined } as const;
    expect([...softTargets(labels, 4, 0, mixing)]).toEqual([0.75, 0, 0.25, 0, 0.25, 0, 0.75, 0]);
    const smoothed = softTargets(labels, 4, 0.1, mixing);
    expect(smoothed[0]).toBeCloseTo(0.9 * 0.75 + 0.025, 6);
    expect(smoothed[1]).toBeCloseTo(0.025, 6);
    expect(smoothed.slice(0, 4).reduce((sum, value) => sum + value)).toBeCloseTo(1, 6);
  });
});
