import { describe, expect, it } from "vitest";
import { learningRate } from "#repvgg/train/schedule.js";

const schedule = { base: 0.1, final: 0, warmupSteps: 4, totalSteps: 104 };

describe("learning rate", () => {
  it("warms up linearly and falls along half a cosine", () => {
    expect([0, 1, 2, 3].map((s) => learningRate(schedule, s))).toEqual([0.02, 0.04, 0.06000000000000001, 0.08]);
    expect(learningRate(schedule, 4)).toBeCloseTo(0.1, 12);
    expect(learningRate(schedule, 54)).toBeCloseTo(0.05, 12);
    expect(learningRate(schedule, 104)).toBeCloseTo(0, 12);
    expect(learningRate(schedule, 29)).toBeCloseTo(0.1 * (0.5 + Math.SQRT1_2 / 2), 12);
  });

  it("stays at the final rate after the end", () => {
    expect(learningRate({ ...schedule, final: 0.001 }, 1000)).toBeCloseTo(0.001, 12);
  });
});
