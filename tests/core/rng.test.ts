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

  /** xoshiro128** and splitmix32 as their authors write them, in whole numbers without a limit. */
  function* reference(seed: number): Generator<number> {
    const mask = 0xffffffffn;
    let x = BigInt(seed >>> 0);
    const splitmix = (): bigint => {
      x = (x + 0x9e3779b9n) & mask;
      let z = x;
      z = ((z ^ (z >> 16n)) * 0x21f0aaadn) & mask;
      z = ((z ^ (z >> 15n)) * 0x735a2d97n) & mask;
      return z ^ (z >> 15n);
    };
    const rotate = (value: bigint, by: bigint): bigint => ((value << by) | (value >> (32n - by))) & mask;
    const s = [splitmix(), splitmix(), splitmix(), splitmix()] as [bigint, bigint, bigint, bigint];
    for (;;) {
      yield Number((rotate((s[1] * 5n) & mask, 7n) * 9n) & mask);
      const t = (s[1] << 9n) & mask;
      s[2] ^= s[0];
      s[3] ^= s[1];
      s[1] ^= s[2];
      s[0] ^= s[3];
      s[2] ^= t;
      s[3] = rotate(s[3], 11n);
    }
  }

  it("is xoshiro128** seeded by splitmix32, for any seed", () => {
    for (const seed of [0, 1, 12345, -1, 2 ** 31, 2 ** 32 - 1, 2 ** 32 + 7]) {
      const [rng, words] = [new Rng(seed), reference(seed)];
      for (let i = 0; i < 50; i++) expect(rng.nextUint32()).toBe(words.next().value);
      expect(rng.state.every((word) => Number.isInteger(word) && word >= 0 && word < 2 ** 32)).toBe(true);
    }
  });

  it("makes its other numbers of these words, in this way and no other, so that runs repeat", () => {
    const next = (words: Generator<number>): number =>
      (words.next().value * 2 ** 21 + Math.floor(words.next().value / 2 ** 11)) / 2 ** 53;
    const [rng, words] = [new Rng(9), reference(9)];
    for (let i = 0; i < 20; i++) {
      expect(rng.next()).toBe(next(words));
      expect(rng.uniform(-3, 5)).toBe(-3 + 8 * next(words));
      const radius = Math.sqrt(-2 * Math.log(1 - next(words)));
      expect(rng.normal()).toBe(radius * Math.cos(2 * Math.PI * next(words)));
      expect(rng.int(10)).toBe(words.next().value % 10);
    }
    // Of 3 · 2³⁰, words from there on are drawn again: a quarter of them.
    const [large, again] = [new Rng(4), reference(4)];
    for (let i = 0; i < 200; i++) {
      let word = again.next().value;
      while (word >= 3 * 2 ** 30) word = again.next().value;
      expect(large.int(3 * 2 ** 30)).toBe(word);
    }
    expect(new Rng(1).int(1)).toBe(0);
    const [shuffler, picker] = [new Rng(6), new Rng(6)];
    const items = [0, 1, 2, 3, 4, 5, 6];
    const mine = [...items];
    for (let i = 6; i > 0; i--) {
      const j = picker.int(i + 1);
      [mine[i], mine[j]] = [mine[j]!, mine[i]!];
    }
    expect(shuffler.shuffle(items)).toBe(items);
    expect(items).toEqual(mine);
    expect(shuffler.state).toEqual(picker.state);
  });

  it("draws Gamma numbers by Marsaglia and Tsang's tries, and Beta numbers of two of them", () => {
    const gamma = (rng: Rng, shape: number): number => {
      if (shape < 1) {
        const larger = gamma(rng, shape + 1);
        return larger * (1 - rng.next()) ** (1 / shape);
      }
      const d = shape - 1 / 3;
      for (;;) {
        const x = rng.normal();
        const v = (1 + x / Math.sqrt(9 * d)) ** 3;
        if (v > 0 && Math.log(1 - rng.next()) < x ** 2 / 2 + d - d * v + d * Math.log(v)) return d * v;
      }
    };
    for (const shape of [0.2, 1, 4.5]) {
      const [rng, naive] = [new Rng(11), new Rng(11)];
      for (let i = 0; i < 300; i++) {
        expect(rng.gamma(shape)).toBeCloseTo(gamma(naive, shape), 10);
        const x = gamma(naive, shape);
        expect(rng.beta(shape, 0.7)).toBeCloseTo(x / (x + gamma(naive, 0.7)), 10);
      }
    }
  });

  it("gives Gamma numbers of the right mean and variance, also of shapes below 1", () => {
    for (const shape of [0.2, 0.9, 1, 3.5]) {
      const rng = rngFor(2, "gamma", shape);
      const values = Array.from({ length: 40_000 }, () => rng.gamma(shape));
      const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
      const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length;
      expect(Math.abs(mean / shape - 1)).toBeLessThan(0.04);
      expect(Math.abs(variance / shape - 1)).toBeLessThan(0.08);
      expect(values.every((x) => x >= 0)).toBe(true);
    }
  });

  it("for a purpose is FNV-1a over its labels, texts and numbers apart", () => {
    const derived = (seed: number, ...labels: (number | string)[]): number => {
      let hash = BigInt(seed >>> 0);
      const times = (value: bigint): bigint => (value * 0x01000193n) & 0xffffffffn;
      for (const label of labels) {
        for (const letter of typeof label === "number" ? `#${label}` : label) {
          hash = times(hash ^ BigInt(letter.charCodeAt(0)));
          hash ^= hash >> 15n;
        }
        hash = times(hash ^ 0x2fn);
      }
      return Number(hash);
    };
    for (const labels of [[], ["a"], [1], ["1"], ["ab", "c"], ["a", "bc"], ["epoch", 12, "x"], [-5, 0.5]]) {
      for (const seed of [0, 7, 2 ** 32 - 1])
        expect(rngFor(seed, ...labels).state).toEqual(new Rng(derived(seed, ...labels)).state);
    }
  });
});
