import { describe, expect, it } from "vitest";
import { Rng } from "#repvgg/core/rng.js";
import { chooseRange } from "#repvgg/quantize/ranges.js";
import { Rounding } from "#repvgg/quantize/rounding.js";
import {
  activationScale,
  dequantizedRows,
  nearestWeights,
  weightScale,
  weightScales,
} from "#repvgg/quantize/scales.js";
import { histogramBins, type ValueStatistics } from "#repvgg/quantize/statistics.js";

const rng = new Rng(4);

function statisticsOf(values: readonly number[]): ValueStatistics {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const histogram = new Float64Array(histogramBins);
  for (const value of values) {
    if (value !== 0)
      histogram[Math.min(histogramBins - 1, Math.floor(((value - low) / (high - low)) * histogramBins))]!++;
  }
  const channel = (value: number): Float64Array => Float64Array.of(value);
  return { low, high, channelLow: channel(low), channelHigh: channel(high), channelMean: channel(0), histogram };
}

/** Mean squared error of rounding the numbers themselves. */
function error(values: readonly number[], range: readonly [number, number]): number {
  const { scale, zero } = activationScale(range);
  const rounded = (x: number): number => (Math.min(255, Math.max(0, Math.round(x / scale) + zero)) - zero) * scale;
  return values.reduce((sum, x) => sum + (x - rounded(x)) ** 2, 0) / values.length;
}

describe("ranges of activations", () => {
  const bulk = Array.from({ length: 20_000 }, () => Math.max(0, rng.normal()));

  it("min-max is the whole range", () => {
    expect(chooseRange(statisticsOf([...bulk, 9]), "min-max")).toEqual([0, 9]);
  });

  it("percentile leaves single outliers outside", () => {
    const [low, high] = chooseRange(statisticsOf([...bulk, ...bulk, ...bulk, 50]), "percentile");
    expect(low).toBe(0);
    expect(high).toBeLessThan(5);
    expect(high).toBeGreaterThan(3);
  });

  it("mse finds the range of the least error, as trying all on the numbers themselves does", () => {
    const some = bulk.slice(0, 3000);
    for (const values of [some, [...some, 30], some.map((x) => x ** 3), some.map((x, i) => (i % 2 ? x : -x / 3))]) {
      const statistics = statisticsOf(values);
      const parts = Array.from({ length: 45 }, (_, i) => 1 - i / 50);
      const best = Math.min(...parts.map((part) => error(values, [statistics.low * part, statistics.high * part])));
      expect(error(values, chooseRange(statistics, "mse"))).toBeLessThan(1.1 * best);
    }
  });

  it("entropy cuts far outliers off and keeps what is evenly spread", () => {
    const [, cut] = chooseRange(statisticsOf([...bulk, 60]), "entropy");
    expect(cut).toBeLessThan(20);
    const even = Array.from({ length: 50_000 }, (_, i) => (i + 1) / 50_000);
    expect(chooseRange(statisticsOf(even), "entropy")[1]).toBeGreaterThan(0.95);
  });

  it("always holds 0 exactly, also for a value that is always the same", () => {
    for (const range of [
      [2, 5],
      [-7, -1],
      [-1, 3],
      [0, 0],
      [4, 4],
    ] as const) {
      const { scale, zero } = activationScale(range);
      expect(scale).toBeGreaterThan(0);
      expect(Number.isInteger(zero) && zero >= 0 && zero <= 255).toBe(true);
      expect((zero - zero) * scale).toBe(0);
    }
  });
});

describe("weights", () => {
  it("are at most half a step off, zero channels included", () => {
    const rows = Float64Array.from({ length: 60 }, (_, i) => (i < 20 ? 0 : rng.normal() * (i < 40 ? 1 : 1000)));
    const scales = weightScales(rows, 3, { bits: 8, perChannel: true, search: false });
    const rounded = dequantizedRows(nearestWeights(rows, scales, 8));
    rows.forEach((weight, i) => {
      expect(Math.abs(weight - rounded[i]!)).toBeLessThanOrEqual(scales[Math.floor(i / 20)]! * 0.5001);
    });
    expect(weightScales(rows, 3, { bits: 8, perChannel: false, search: false })).toEqual(
      new Float64Array(3).fill(scales[2]!),
    );
  });

  it("at few bits have a scale of less error than the one that holds the largest", () => {
    const row = Float64Array.from({ length: 400 }, () => rng.normal());
    row[7] = 9;
    const errorAt = (scale: number): number => {
      const rounded = dequantizedRows(nearestWeights(row, Float64Array.of(scale), 4));
      return row.reduce((sum, weight, i) => sum + (weight - rounded[i]!) ** 2, 0);
    };
    expect(errorAt(weightScale(row, 4, true))).toBeLessThan(0.9 * errorAt(weightScale(row, 4, false)));
  });
});

describe("rounding by what a layer gives", () => {
  const inputs = 9;
  const samples = 200;
  const mixing = Array.from({ length: inputs * inputs }, () => rng.normal());
  const x = Array.from({ length: samples }, () => {
    const own = Array.from({ length: inputs }, () => rng.normal());
    // The last input never varies: nothing is known of it.
    return own.map((_, i) => (i === inputs - 1 ? 0 : own.reduce((sum, v, j) => sum + v * mixing[i * inputs + j]!, 0)));
  });
  const rows = Float64Array.from({ length: 3 * inputs }, () => rng.normal());
  const y = x.map((row) => [0, 1, 2].map((o) => row.reduce((sum, v, i) => sum + v * rows[o * inputs + i]!, 0)));
  const mean = (of: (s: number) => number): number => x.reduce((sum, _, s) => sum + of(s), 0) / samples;
  const meanX = Float64Array.from({ length: inputs }, (_, i) => mean((s) => x[s]![i]!));
  const meanY = Float64Array.from({ length: 3 }, (_, o) => mean((s) => y[s]![o]!));
  const covarianceX = Float64Array.from({ length: inputs ** 2 }, (_, at) => {
    const [i, j] = [Math.floor(at / inputs), at % inputs];
    return mean((s) => x[s]![i]! * x[s]![j]!) - meanX[i]! * meanX[j]!;
  });
  const covarianceXY = Float64Array.from({ length: inputs * 3 }, (_, at) => {
    const [i, o] = [Math.floor(at / 3), at % 3];
    return mean((s) => x[s]![i]! * y[s]![o]!) - meanX[i]! * meanY[o]!;
  });
  const scales = weightScales(rows, 3, { bits: 3, perChannel: true, search: false });

  /** Variance of the error of an output over the samples. */
  const lost = (o: number, values: ArrayLike<number>): number => {
    const errors = x.map((row, s) => y[s]![o]! - row.reduce((sum, v, i) => sum + v * values[i]! * scales[o]!, 0));
    const middle = errors.reduce((a, b) => a + b, 0) / samples;
    return errors.reduce((sum, e) => sum + (e - middle) ** 2, 0) / samples;
  };
  const rounded = new Rounding({ meanX, meanY, covarianceX, covarianceXY }).round(rows, scales, 3);

  it("is near the best of all 2⁹ choices, and better than the nearest numbers", () => {
    const nearest = nearestWeights(rows, scales, 3).values;
    let [ours, best, naive] = [0, 0, 0];
    for (let o = 0; o < 3; o++) {
      const low = Array.from({ length: inputs }, (_, i) =>
        Math.max(-3, Math.floor(rows[o * inputs + i]! / scales[o]!)),
      );
      const all = Array.from({ length: 2 ** inputs }, (_, bits) =>
        lost(
          o,
          low.map((value, i) => Math.min(3, value + ((bits >> i) & 1))),
        ),
      );
      best += Math.min(...all);
      ours += lost(o, rounded.slice(o * inputs, (o + 1) * inputs));
      naive += lost(o, nearest.slice(o * inputs, (o + 1) * inputs));
    }
    expect(ours).toBeLessThan(1.5 * best);
    expect(ours).toBeLessThan(0.5 * naive);
  });

  it("leaves every weight at one of the numbers around it, and one that nothing is known of at the nearest", () => {
    rows.forEach((weight, i) => {
      expect(Math.abs(rounded[i]! - weight / scales[Math.floor(i / inputs)]!)).toBeLessThanOrEqual(1.0001);
    });
    for (let o = 0; o < 3; o++) {
      const i = o * inputs + inputs - 1;
      expect(rounded[i]).toBe(nearestWeights(rows, scales, 3).values[i]);
    }
  });

  it("gives the same numbers each time", () => {
    expect(new Rounding({ meanX, meanY, covarianceX, covarianceXY }).round(rows, scales, 3)).toEqual(rounded);
  });
});
