import { describe, expect, it } from "vitest";
import {
  holm,
  meanHalfWidth,
  rankCorrelation,
  sampleOf,
  studentQuantile,
  studentTail,
  welchTest,
} from "#repvgg/analysis/ablation/significance.js";

/** P(T > t) by Simpson's rule on the density, whose constant comes from the same rule: no gamma function, no beta function. */
function tailByIntegration(t: number, degreesOfFreedom: number): number {
  const density = (x: number): number => (1 + (x * x) / degreesOfFreedom) ** (-(degreesOfFreedom + 1) / 2);
  // x = tan(u) maps the whole axis to (−π/2, π/2).
  const integral = (from: number, to: number): number => {
    const n = 20_000;
    const f = (u: number): number => (Math.abs(u) >= Math.PI / 2 ? 0 : density(Math.tan(u)) / Math.cos(u) ** 2);
    const h = (to - from) / n;
    let sum = f(from) + f(to);
    for (let i = 1; i < n; i++) sum += (i % 2 ? 4 : 2) * f(from + i * h);
    return (sum * h) / 3;
  };
  const end = Math.PI / 2 - 1e-12;
  return integral(Math.atan(t), end) / integral(-end, end);
}

describe("Student's t", () => {
  it.each([
    [0.3, 2.5],
    [1, 4],
    [2.2, 5.7],
    [3.7, 12],
    [1.96, 250],
  ])("has the tail that its density integrates to: t = %d, ν = %d", (t, degreesOfFreedom) => {
    expect(studentTail(t, degreesOfFreedom)).toBeCloseTo(tailByIntegration(t, degreesOfFreedom), 8);
  });

  it("is Cauchy's distribution for ν = 1, and has a closed form for ν = 2", () => {
    for (const t of [0, 0.5, 3, 40]) {
      expect(studentTail(t, 1)).toBeCloseTo(0.5 - Math.atan(t) / Math.PI, 12);
      expect(studentTail(t, 2)).toBeCloseTo(0.5 - t / (2 * Math.sqrt(2 + t * t)), 12);
    }
  });

  it.each([
    [1, 12.706],
    [4, 2.776],
    [8, 2.306],
    [30, 2.042],
    [1e6, 1.96],
  ])("has the tabulated quantile for ν = %d", (degreesOfFreedom, quantile) => {
    expect(studentQuantile(0.975, degreesOfFreedom)).toBeCloseTo(quantile, 3);
  });
});

describe("Welch's test", () => {
  // Examples of equal and unequal variances and sizes; expected values from SciPy 1.17 (ttest_ind, equal_var=False).
  it.each<[number[], number[], number, number, number, number, number]>([
    [
      [27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4],
      [27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 30.0, 23.9],
      -2.835263800664482,
      27.713625968118762,
      0.008452732437443423,
      -4.766445039218351,
      -0.7668882941149804,
    ],
    [
      [0.712, 0.705, 0.718, 0.709, 0.715],
      [0.698, 0.706, 0.692],
      2.826861490585559,
      3.285188281020605,
      0.059700020980443365,
      -0.0009517661991926361,
      0.027218432865859295,
    ],
    [
      [0.5, 0.51],
      [0.5, 0.52, 0.47, 0.55],
      -0.2847473987257497,
      3.471682163989857,
      0.7919980625525297,
      -0.056822875682291475,
      0.046822875682291466,
    ],
    [
      [70.1, 70.3, 70.2],
      [65.0, 75.0, 70.0, 71.0, 69.0],
      0.12395530151375427,
      4.010249801940164,
      0.9073153764659194,
      -4.275240126501831,
      4.675240126501809,
    ],
  ])("agrees with SciPy: %j against %j", (a, b, t, degreesOfFreedom, p, low, high) => {
    const test = welchTest(sampleOf(a), sampleOf(b))!;
    expect(test.t).toBeCloseTo(t, 9);
    expect(test.degreesOfFreedom).toBeCloseTo(degreesOfFreedom, 9);
    expect(test.p).toBeCloseTo(p, 9);
    expect(test.interval[0]).toBeCloseTo(low, 8);
    expect(test.interval[1]).toBeCloseTo(high, 8);
  });

  it("is antisymmetric", () => {
    const [a, b] = [sampleOf([1, 2, 4]), sampleOf([2, 5, 6, 7])];
    const [one, other] = [welchTest(a, b)!, welchTest(b, a)!];
    expect(other.difference).toBe(-one.difference);
    expect(other.p).toBe(one.p);
    expect(other.interval[0]).toBeCloseTo(-one.interval[1], 12);
  });

  it("says nothing about single values, and is certain of values without spread", () => {
    expect(sampleOf([3])).toEqual({ count: 1, mean: 3, deviation: Number.NaN });
    expect(welchTest(sampleOf([3]), sampleOf([1, 2]))).toBeUndefined();
    expect(welchTest(sampleOf([1, 1]), sampleOf([1, 1, 1]))).toMatchObject({ difference: 0, p: 1 });
    expect(welchTest(sampleOf([2, 2]), sampleOf([1, 1, 1]))).toMatchObject({ difference: 1, p: 0, interval: [1, 1] });
  });
});

describe("Holm's correction", () => {
  it("multiplies the smallest by all, and never falls", () => {
    expect(holm([0.01, 0.04, 0.03, 0.005])).toEqual([0.03, 0.06, 0.06, 0.02]);
    expect(holm([0.9, 0.6])).toEqual([1, 1]);
    expect(holm([0.2])).toEqual([0.2]);
    expect(holm([])).toEqual([]);
  });
});

describe("a mean's interval", () => {
  it("has Student's half-width, from tables", () => {
    // t(2) = 4.302653, s = 1; t(4) = 2.776445, s = √2.5.
    expect(meanHalfWidth(sampleOf([1, 2, 3]))).toBeCloseTo(4.302653 / Math.sqrt(3), 5);
    expect(meanHalfWidth(sampleOf([1, 2, 3, 4, 5]))).toBeCloseTo((2.776445 * Math.sqrt(2.5)) / Math.sqrt(5), 5);
    expect(meanHalfWidth(sampleOf([7]))).toBeUndefined();
    expect(meanHalfWidth(sampleOf([7, 7]))).toBe(0);
  });
});

describe("Spearman's rank correlation", () => {
  /** Every order of the first n numbers. */
  const orders = (n: number): number[][] =>
    n === 0 ? [[]] : orders(n - 1).flatMap((rest) => Array.from({ length: n }, (_, at) => rest.toSpliced(at, 0, n)));

  it("is 1 − 6 Σd² / (n(n² − 1)) of values that all differ, for every order", () => {
    for (const order of orders(5)) {
      const squares = order.reduce((sum, rank, i) => sum + (rank - (i + 1)) ** 2, 0);
      // Values, not ranks: any that rise with them.
      const values = order.map((rank) => Math.exp(rank) - 70);
      expect(rankCorrelation(values, [-5, 0, 0.1, 7, 90])).toBeCloseTo(1 - (6 * squares) / (5 * 24), 12);
    }
  });

  it("gives equal values the mean of their ranks (values of SciPy's spearmanr)", () => {
    expect(rankCorrelation([1, 2, 2, 3], [1, 2, 3, 4])).toBeCloseTo(0.9486832980505139, 12);
    expect(rankCorrelation([1, 1, 2, 2], [1, 2, 1, 2])).toBeCloseTo(0, 12);
  });

  it("says nothing of two values, or where all are equal", () => {
    expect(rankCorrelation([1, 2], [1, 2])).toBeUndefined();
    expect(rankCorrelation([1, 1, 1], [1, 2, 3])).toBeUndefined();
  });
});
