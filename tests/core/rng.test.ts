import { describe, expect, it } from "vitest";
import { Rng, rngFor } from "#repvgg/core/rng.js";

describe("Rng", () => {
  it("is xoshiro128**: the first words from a known state", () => {
    // Computed by hand from the algorithm's definition: rotl(s1 · 5, 7) · 9 with s = (1, 2, 3, 4).
    const rng = new Rng([1, 2, 3, 4]);
    expect([rng.nextUint32(), rng.nextUint32(), rng.nextUint32()]).toEqual([11520, 0, 5927040]);
  });

  it("goes on from its state", () => {
    const rng = new Rng(7);
    rng.normal();
    const copy = new Rng(rng.state);
    expect(Array.from({ length: 20 }, () => rng.next())).toEqual(Array.from({ length: 20 }, () => copy.next()));
  });

  it("gives numbers of the right distributions", () => {
    const rng = new Rng(1);
    const n = 200_000;
    let sum = 0;
    let square = 0;
    const counts = new Array<number>(7).fill(0);
    let beta = 0;
    for (let i = 0; i < n; i++) {
      const x = rng.normal();
      sum += x;
      square += x * x;
      counts[rng.int(7)]!++;
      beta += rng.beta(0.2, 0.6);
    }
    expect(Math.abs(sum / n)).toBeLessThan(0.01);
    expect(Math.abs(square / n - 1)).toBeLessThan(0.02);
    for (const count of counts) expect(Math.abs(count / n - 1 / 7)).toBeLessThan(0.004);
    expect(Math.abs(beta / n - 0.25)).toBeLessThan(0.005);
  });

  it("shuffles every element to every place", () => {
    const rng = new Rng(3);
    const seen = new Set<string>();
    for (let i = 0; i < 200; i++) seen.add(rng.shuffle([0, 1, 2, 3]).join(""));
    expect(seen.size).toBe(24);
  });

  it("derives generators that differ by label and not by order of asking", () => {
    const first = rngFor(5, "augment", 3, 17).next();
    rngFor(5, "other").next();
    expect(rngFor(5, "augment", 3, 17).next()).toBe(first);
    const values = new Set([
      first,
      rngFor(5, "augment", 3, 18).next(),
      rngFor(5, "augment", 31, 7).next(),
      rngFor(6, "augment", 3, 17).next(),
    ]);
    expect(values.size).toBe(4);
  });
});
