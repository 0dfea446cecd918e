import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ShapeError } from "#repvgg/core/errors.js";
import { Rng } from "#repvgg/core/rng.js";
import { RunningStats } from "#repvgg/nn/running-stats.js";

/** The two-pass definition. */
function naive(rows: readonly number[], channels: number) {
  const n = rows.length / channels;
  return Array.from({ length: channels }, (_, c) => {
    const values = rows.filter((_, i) => i % channels === c);
    const mean = values.reduce((sum, x) => sum + x, 0) / n;
    const m2 = values.reduce((sum, x) => sum + (x - mean) ** 2, 0);
    return { mean, biased: m2 / n, unbiased: m2 / (n - 1) };
  });
}

function expectStats(stats: RunningStats, rows: readonly number[]): void {
  const expected = naive(rows, stats.channels);
  expect(stats.count).toBe(rows.length / stats.channels);
  expected.forEach(({ mean, biased, unbiased }, c) => {
    const scale = 1 + Math.max(...rows.map(Math.abs));
    expect(Math.abs(stats.mean[c]! - mean)).toBeLessThanOrEqual(1e-13 * scale);
    expect(Math.abs(stats.variance()[c]! - biased)).toBeLessThanOrEqual(1e-12 * scale ** 2);
    expect(Math.abs(stats.variance(true)[c]! - unbiased)).toBeLessThanOrEqual(1e-12 * scale ** 2);
  });
}

describe("RunningStats", () => {
  it("does not depend on how rows are cut into pushes and merges", () => {
    const values = fc.double({ min: -1e3, max: 1e3, noNaN: true });
    const property = fc.property(
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.array(values, { maxLength: 24 }), { minLength: 2, maxLength: 6 }),
      (channels, chunks) => {
        const whole = chunks.map((chunk) => chunk.slice(0, chunk.length - (chunk.length % channels)));
        const rows = whole.flat();
        fc.pre(rows.length >= 2 * channels);
        const pushed = new RunningStats(channels);
        const merged = new RunningStats(channels);
        for (const chunk of whole) {
          pushed.push(chunk);
          merged.merge(new RunningStats(channels).push(chunk));
        }
        expectStats(pushed, rows);
        expectStats(merged, rows);
      },
    );
    fc.assert(property, { seed: 1, numRuns: 200 });
  });

  it("keeps the variance of large numbers that hardly vary", () => {
    const rng = new Rng(3);
    const rows = Array.from({ length: 10_000 }, () => 1e8 + rng.normal());
    const stats = new RunningStats(1).push(rows);
    expect(stats.variance()[0]).toBeCloseTo(naive(rows, 1)[0]!.biased, 5);
  });

  it("adds moments as if their rows had been pushed", () => {
    const stats = new RunningStats(2).push([1, 10, 3, 30]).pushMoments(2, [6, 50], [2, 200]); // rows 5, 40 and 7, 60
    expectStats(stats, [1, 10, 3, 30, 5, 40, 7, 60]);
  });

  it("says NaN where there is no variance yet", () => {
    expect([...new RunningStats(1).variance()]).toEqual([Number.NaN]);
    expect([...new RunningStats(1).push([2]).variance()]).toEqual([0]);
    expect([...new RunningStats(1).push([2]).variance(true)]).toEqual([Number.NaN]);
  });

  it("hands out copies", () => {
    const stats = new RunningStats(1).push([1, 2]);
    stats.mean[0] = 99;
    expect(stats.mean[0]).toBe(1.5);
  });

  it("refuses rows that are not whole and other widths", () => {
    expect(() => new RunningStats(3).push([1, 2])).toThrow(ShapeError);
    expect(() => new RunningStats(3).merge(new RunningStats(2))).toThrow(ShapeError);
    expect(() => new RunningStats(0)).toThrow(ShapeError);
  });
});
