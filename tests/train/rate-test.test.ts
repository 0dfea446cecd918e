import { describe, expect, it } from "vitest";
import { rateTestSvg } from "#repvgg/report/rate-test.js";
import { RateRecorder, type RateTest, rateOfStep, rateTestSteps } from "#repvgg/train/rate-test.js";

/** Losses of gradient descent with momentum on ½ Σ h x² + floor, from x = 1 in both directions. */
function* descent(rate: (step: number) => number, curvatures: readonly number[], momentum = 0.9): Generator<number> {
  const [x, v] = [curvatures.map(() => 1), curvatures.map(() => 0)];
  for (let step = 0; ; step++) {
    yield curvatures.reduce((sum, h, i) => sum + (h * x[i]! ** 2) / 2, 0.05);
    curvatures.forEach((h, i) => {
      v[i] = momentum * v[i]! + h * x[i]!;
      x[i]! -= rate(step) * v[i]!;
    });
  }
}

function tested(losses: Iterable<number>, ignorance = Number.POSITIVE_INFINITY): RateTest {
  const recorder = new RateRecorder(ignorance);
  let step = 0;
  for (const loss of losses) {
    if (!recorder.add(rateOfStep("sgd", step++), loss) || step === rateTestSteps) break;
  }
  return recorder.result();
}

describe("a learning-rate range test", () => {
  it("rises from the lowest to the highest rate at equal ratios", () => {
    expect(rateOfStep("sgd", 0)).toBe(1e-4);
    expect(rateOfStep("sgd", rateTestSteps - 1)).toBeCloseTo(10, 9);
    expect(rateOfStep("adamw", rateTestSteps - 1)).toBeCloseTo(1, 9);
    expect(rateOfStep("sgd", 51) / rateOfStep("sgd", 50)).toBeCloseTo(rateOfStep("sgd", 8) / rateOfStep("sgd", 7), 9);
  });

  // Gradient descent with momentum m on curvature h is stable below 2 (1 + m) / h: whatever the scale of the problem.
  it.each([2, 20, 200])(
    "on a problem whose largest curvature is %d suggests a rate that trains, and that times 40 diverges",
    (h) => {
      const curvatures = [h, h / 20];
      const test = tested(descent((step) => rateOfStep("sgd", step), curvatures));
      expect(test.diverged).toBe(true);
      expect(test.steps.length).toBeLessThan(rateTestSteps);
      const lossAfter = (rate: number, steps: number): number => {
        let [step, last] = [0, 0];
        for (const loss of descent(() => rate, curvatures)) {
          last = loss;
          if (step++ === steps) break;
        }
        return last;
      };
      const [start] = descent(() => 0, curvatures);
      expect(lossAfter(test.suggestion!, 200)).toBeLessThan(0.05 + (start! - 0.05) / 50);
      expect(lossAfter(test.suggestion! * 40, 200)).toBeGreaterThan(10 * start!);
    },
  );

  it("stops where BatchNorm keeps the loss from running away: at a quarter more than knowing nothing", () => {
    const losses = Array.from({ length: 150 }, (_, i) => (i < 80 ? 2.3 - i / 60 : 4));
    const test = tested(losses, Math.log(10));
    expect(test.diverged).toBe(true);
    expect(test.steps.length).toBeGreaterThan(82);
    expect(test.steps.length).toBeLessThan(100);
    expect(test.suggestion! * 10).toBeCloseTo(rateOfStep("sgd", 79), 1);
  });

  it("says nothing where the loss never fell", () => {
    expect(
      tested(
        Array.from({ length: 40 }, (_, i) => 1 + i / 10),
        2,
      ),
    ).toMatchObject({ suggestion: null, lowest: null });
    expect(tested([Number.NaN])).toEqual({ steps: [], diverged: true, lowest: null, suggestion: null });
    expect(tested([])).toEqual({ steps: [], diverged: false, lowest: null, suggestion: null });
  });

  it("smooths with the start's bias taken out", () => {
    const { steps } = tested([4, 4, 4, 1]);
    expect(steps[2]!.smoothed).toBeCloseTo(4, 12);
    expect(steps[3]!.smoothed).toBeCloseTo((4 * (0.9 + 0.81 + 0.729) + 1) / (1 + 0.9 + 0.81 + 0.729), 9);
  });

  it("is drawn with what it suggests, and without where it suggests nothing", () => {
    const test = tested(Array.from({ length: 60 }, (_, i) => 2 - i / 60));
    expect(rateTestSvg("a net", test)).toContain("suggested");
    expect(rateTestSvg("a net", tested(new Array<number>(60).fill(1)))).not.toContain("suggested");
  });
});
