import { describe, expect, it } from "vitest";
import { compareLatency, measureLatency } from "#repvgg/analysis/latency.js";
import { memoryTimeline } from "#repvgg/analysis/memory.js";
import { quantile } from "#repvgg/core/statistics.js";
import { createSession } from "#repvgg/engine/session.js";
import { randomArray } from "../engine/compare.js";
import { randomNet } from "../engine/nets.js";
import { backendOf } from "../tensor/backends.js";

const backend = backendOf(1);
const spec = { depths: [2, 2, 1], widths: [8, 8, 16, 16] };
const session = (form: "train" | "plain") =>
  createSession(randomNet(spec, form), { backend, shape: [1, 3, 32, 32], fuseBatchNorm: false });

describe("compareLatency", () => {
  it("times two sessions in turn and gives ordered quartiles and the ratio of medians", () => {
    const [train, plain] = [session("train"), session("plain")];
    const { data } = randomArray("input", [1, 3, 32, 32]);
    const result = compareLatency(train, plain, data, { repeats: 6, warmup: 1 });
    for (const { lowerQuartile, median, upperQuartile } of [result.a, result.b]) {
      expect(lowerQuartile).toBeGreaterThan(0);
      expect(lowerQuartile).toBeLessThanOrEqual(median);
      expect(median).toBeLessThanOrEqual(upperQuartile);
    }
    expect(result.repeats).toBe(6);
    expect(result.ratio).toBeCloseTo(result.a.median / result.b.median, 12);
    expect(measureLatency(plain, data, { repeats: 3 }).median).toBeGreaterThan(0);
    train.dispose();
    plain.dispose();
  });
});

describe("memoryTimeline", () => {
  it("shows that the training form keeps more alive than the plain form", () => {
    const [train, plain] = [session("train"), session("plain")].map((s) => {
      const timeline = memoryTimeline(s.plan());
      s.dispose();
      return timeline;
    });
    expect(plain!.peakActivations).toBe(2);
    expect(train!.peakActivations).toBe(3);
    expect(train!.peakActivationBytes).toBeGreaterThan(plain!.peakActivationBytes);
    for (const { points, peakActivationBytes, peakStep } of [train!, plain!]) {
      expect(Math.max(...points.map((point) => point.activationBytes))).toBe(peakActivationBytes);
      expect(points.find((point) => point.activationBytes === peakActivationBytes)!.step).toBe(peakStep);
    }
  });
});

describe("quantile", () => {
  it("interpolates between neighbours, whatever the order", () => {
    expect(quantile([3, 1, 2], 0.5)).toBe(2);
    expect(quantile([4, 1, 2, 3], 0.5)).toBe(2.5);
    expect(quantile([0, 10], 0.25)).toBe(2.5);
    expect(quantile([7], 0.9)).toBe(7);
    expect(quantile([], 0.5)).toBeNaN();
  });
});
