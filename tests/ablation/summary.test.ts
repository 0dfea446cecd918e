import { describe, expect, it } from "vitest";
import { ablationCells, ablationSentences } from "#repvgg/ablation/text.js";
import { type AblationRun, summarizeAblation } from "#repvgg/analysis/ablation/summary.js";
import { ablationVariants, baseVariant } from "#repvgg/analysis/ablation/variants.js";

function run(variant: string, seed: number, top1: number | null, more: Partial<AblationRun> = {}): AblationRun {
  const folded = { foldedTop1: top1, unfoldable: null };
  return {
    variant,
    seed,
    top1,
    ...folded,
    stepSeconds: 0.1,
    peakBytes: 1000,
    parameters: { train: 3, plain: 2 },
    ...more,
  };
}

const named = (...names: string[]) => ablationVariants.filter(({ name }) => names.includes(name));

/** Welch by hand: base 0.70, 0.72, 0.74 (mean 0.72, variance 4e-4), acb 0.60, 0.61, 0.62 (mean 0.61, variance 1e-4). */
const base = [0.7, 0.72, 0.74].map((top1, seed) => run("base", seed, top1));
const acb = [0.6, 0.61, 0.62].map((top1, seed) => run("acb", seed, top1, { stepSeconds: 0.15, peakBytes: 1200 }));
const dirac = [0.71, 0.72, 0.745].map((top1, seed) => run("dirac", seed, top1));

describe("a summary of an ablation", () => {
  const { variants, order, paperOrder, rankCorrelation } = summarizeAblation(named("base", "dirac", "acb"), [
    ...acb.toReversed(),
    ...base,
    ...dirac,
    run("trivial", 0, 0.1),
  ]);
  const [first, second, third] = variants;

  it("keeps the paper's order of variants and sorts runs by seed", () => {
    expect(variants.map(({ variant }) => variant.name)).toEqual(["base", "dirac", "acb"]);
    expect(third!.runs.map(({ seed }) => seed)).toEqual([0, 1, 2]);
  });

  it("compares every variant with the base", () => {
    expect(first!.comparison).toBeUndefined();
    const { difference, t, degreesOfFreedom } = third!.comparison!;
    expect(difference).toBeCloseTo(-0.11, 12);
    expect(t).toBeCloseTo(-0.11 / Math.sqrt((4e-4 + 1e-4) / 3), 9);
    expect(degreesOfFreedom).toBeCloseTo((5e-4 / 3) ** 2 / (((4e-4 / 3) ** 2 + (1e-4 / 3) ** 2) / 2), 9);
  });

  it("corrects for the number of comparisons and says what is noise", () => {
    expect(third!.comparison!.adjustedP).toBeCloseTo(2 * third!.comparison!.p, 12);
    expect(second!.comparison!.adjustedP).toBeCloseTo(second!.comparison!.p, 12);
    expect([second!.comparison!.verdict, third!.comparison!.verdict]).toEqual(["within noise", "below"]);
  });

  it("gives costs as multiples of the base's", () => {
    expect([third!.timeRatio, third!.memoryRatio]).toEqual([expect.closeTo(1.5, 12), 1.2]);
    expect([first!.timeRatio, first!.memoryRatio]).toEqual([1, 1]);
  });

  it("compares its order with the paper's", () => {
    expect(order).toEqual(["dirac", "base", "acb"]);
    expect(paperOrder).toEqual(["base", "dirac", "acb"]);
    expect(rankCorrelation).toBeCloseTo(0.5, 12); // Σd² = 2 of n = 3
  });

  it("is a row of words for each variant, and sentences", () => {
    expect(ablationCells(first!)).toEqual(["72.00 ± 2.00 (3)", "–", "–", "–", "75.14", "1.00 ×", "1.00 ×", "equal"]);
    const [top1, difference, p, verdict, paper, ...costs] = ablationCells(third!);
    expect([top1, verdict, paper, ...costs]).toEqual([
      "61.00 ± 1.00 (3)",
      "below",
      "−1.56",
      "1.50 ×",
      "1.20 ×",
      "equal",
    ]);
    expect(difference).toMatch(/^−11\.00 ± \d\.\d\d$/);
    expect(p).toMatch(/^0\.0\d\d$/);
    const sentences = ablationSentences({ variants, order, paperOrder, rankCorrelation }).join("\n");
    expect(sentences).toContain("Order by mean: DiracNet > RepVGG (all branches) > ACB.");
    expect(sentences).toContain("Rank correlation of the two: +0.50");
    expect(sentences).toContain("1 of 2 differences to the base have the paper's sign; beyond noise: ACB.");
    expect(sentences).toContain("not to be told from the base by these runs: DiracNet.");
  });
});

describe("runs that are not like the others", () => {
  it("diverged ones count in nothing but their list", () => {
    const [, summary] = summarizeAblation(named("base", "acb"), [
      ...base,
      run("acb", 0, null),
      run("acb", 1, 0.5),
    ]).variants;
    expect(summary).toMatchObject({ diverged: [0], top1: { count: 1, mean: 0.5 }, comparison: undefined });
    expect(ablationCells(summary!)[0]).toBe("50.00 (1)");
  });

  it("variants without runs are there, empty", () => {
    const { variants, order } = summarizeAblation(named("base", "acb"), base);
    expect(variants[1]).toMatchObject({ top1: undefined, comparison: undefined, timeRatio: undefined, runs: [] });
    expect(order).toEqual(["base"]);
    expect(summarizeAblation([baseVariant], []).rankCorrelation).toBeUndefined();
  });

  it("unknown costs do not spoil known ones", () => {
    const resumed = { stepSeconds: null, peakBytes: null };
    const runs = [...base, run("acb", 0, 0.6, resumed), run("acb", 1, 0.6, { stepSeconds: 0.2, peakBytes: 500 })];
    expect(summarizeAblation(named("base", "acb"), runs).variants[1]).toMatchObject({
      timeRatio: expect.closeTo(2, 12),
      memoryRatio: 0.5,
    });
  });

  it("accuracies that a fold changes, and nets that do not fold, are named", () => {
    const changed = base.map((one, i) => (i === 1 ? { ...one, foldedTop1: one.top1! - 0.0003 } : one));
    const relu = run("relu-in-branches", 0, 0.7, { foldedTop1: null, unfoldable: "a ReLU" });
    const { variants } = summarizeAblation(named("base", "relu-in-branches"), [...changed, relu]);
    expect(variants[0]!.fold).toEqual({ folds: true, largestDifference: expect.closeTo(0.0003, 12) });
    expect(variants[1]!.fold).toEqual({ folds: false, reason: "a ReLU" });
    expect(variants.map((variant) => ablationCells(variant).at(-1))).toEqual(["± 0.03", "no fold"]);
  });
});
