import { describe, expect, it } from "vitest";
import type { StudyRun } from "#repvgg/ablation/depth/results.js";
import { summarizeStudy } from "#repvgg/ablation/depth/summary.js";
import { studySentences } from "#repvgg/ablation/depth/text.js";
import { madePlan, madeRun } from "./runs.js";

/** Runs of one variant at one depth, seed by seed. */
function runsOf(
  layers: number,
  variant: string,
  top1s: readonly (number | null)[],
  losses: readonly number[] = [],
): StudyRun[] {
  return top1s.map((top1, seed) => madeRun({ layers, variant, seed }, top1, losses[seed]));
}

const table6 = { base: 3, "no-branches": 3, "pointwise-only": 3, "identity-only": 3 };

describe("a study's summary", () => {
  const runs = [
    ...runsOf(10, "base", [0.7, 0.71, 0.72], [0.5, 0.52, 0.54]),
    ...runsOf(10, "no-branches", [0.71, 0.72, 0.73], [0.5, 0.51, 0.52]),
    ...runsOf(28, "base", [0.8, 0.81, 0.82], [0.3, 0.31, 0.32]),
    ...runsOf(28, "no-branches", [0.7, 0.72, 0.71], [0.6, 0.61, 0.62]),
    ...runsOf(28, "pointwise-only", [0.75, 0.74, 0.76]),
    ...runsOf(28, "identity-only", [0.79, 0.8, 0.78]),
    madeRun({ kind: "choice", layers: 28, variant: "base", seed: 0 }, 0.1),
  ];
  const summary = summarizeStudy(madePlan([28, 10, 52], table6), runs);
  const [shallow, deep] = summary.depths;

  it("has the depths that have runs, the shallowest first, and no choice", () => {
    expect(summary.depths.map(({ layers, variants }) => [layers, variants.map(({ variant }) => variant.name)])).toEqual(
      [
        [10, ["base", "no-branches"]],
        [28, ["base", "no-branches", "pointwise-only", "identity-only"]],
      ],
    );
    expect(deep!.variants[0]!.top1).toMatchObject({ count: 3, mean: expect.closeTo(0.81, 12) });
    expect(deep!.variants[0]!.top1!.deviation).toBeCloseTo(0.01, 12);
    expect(deep!.variants[0]!.fittedLoss!.mean).toBeCloseTo(0.31, 12);
  });

  it("has the claim as Welch's test of all branches against none", () => {
    // Two samples of three with deviation 0.01: t(4) = 2.776, times 0.01 · √(2/3).
    const { difference, interval } = deep!.claim!.top1;
    expect(difference).toBeCloseTo(0.1, 12);
    expect((interval[1] - interval[0]) / 2).toBeCloseTo(2.7764451 * 0.01 * Math.sqrt(2 / 3), 7);
    expect(deep!.claim!.fittedLoss.difference).toBeCloseTo(-0.3, 12);
    expect(shallow!.claim!.top1.difference).toBeCloseTo(-0.01, 12);
    expect(summary.claimFrom).toBe(28);
  });

  it("correlates ranks with table 6 only where all of its variants have runs", () => {
    expect(shallow!.rankCorrelation).toBeUndefined();
    expect(deep!.rankCorrelation).toBeCloseTo(1, 12);
    const swapped = runs.map((run) =>
      run.part.variant === "identity-only" && run.judged ? { ...run, judged: { ...run.judged, top1: 0.9 } } : run,
    );
    expect(summarizeStudy(madePlan([28], table6), swapped).depths[0]!.rankCorrelation).toBeCloseTo(0.8, 12);
  });

  it("says what it found, and where the claim begins", () => {
    expect(studySentences(summary)).toEqual([
      "10 layers: all branches less none −1.00 ± 2.27 points of test accuracy (within noise), +0.010 ± 0.042 in training loss.",
      "28 layers: all branches less none +10.00 ± 2.27 points of test accuracy (the branches help), −0.300 ± 0.023 in training loss.",
      "All branches are above none by more than the 95 % interval from 28 layers on.",
      "Rank correlation with table 6 at 28 layers: +1.00 (best first: RepVGG (all branches), 3×3 + identity, 3×3 + 1×1, 3×3 only).",
    ]);
  });

  it("lets the claim begin nowhere where the deepest net does not show it, whatever shallower ones do", () => {
    const deeper = [...runs, ...runsOf(52, "base", [0.6, 0.7, 0.8]), ...runsOf(52, "no-branches", [0.7, 0.7, 0.71])];
    const whole = summarizeStudy(madePlan([28, 10, 52], table6), deeper);
    expect(whole.claimFrom).toBeUndefined();
    expect(studySentences(whole).join(" ")).toContain("does not show at the deepest of these depths");
    const worse = [...runsOf(28, "base", [0.5, 0.51, 0.52]), ...runsOf(28, "no-branches", [0.7, 0.71, 0.72])];
    expect(studySentences(summarizeStudy(madePlan([28], table6), worse))[0]).toContain("(the branches harm)");
  });

  it("counts what diverged in nothing else, and claims nothing of fewer than two runs", () => {
    const some = [...runsOf(28, "base", [0.8, 0.82, null]), ...runsOf(28, "no-branches", [0.7])];
    const [only] = summarizeStudy(madePlan([28], table6), some).depths;
    expect(only!.variants[0]).toMatchObject({ diverged: [2], top1: { count: 2 }, fittedTop1: { count: 2 } });
    expect(only!.claim).toBeUndefined();
    expect(studySentences(summarizeStudy(madePlan([28], table6), some))).toEqual([]);
  });

  it("has time and memory as multiples of those of all branches", () => {
    expect(deep!.variants.map(({ timeRatio, memoryRatio }) => [timeRatio, memoryRatio])).toEqual(
      deep!.variants.map(({ variant }) =>
        variant.name === "base" ? [1, 1] : [expect.closeTo(0.5), expect.closeTo(2 / 3)],
      ),
    );
  });
});
