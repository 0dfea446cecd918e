import { holm, rankCorrelation, type Sample, sampleOf, type WelchTest, welchTest } from "./significance.js";
import { type AblationVariant, baseVariant } from "./variants.js";

/** What one trained net gave. Plain JSON. */
export interface AblationRun {
  readonly variant: string;
  readonly seed: number;
  /** Test accuracy in [0, 1] after the last epoch, in training form; null where the loss or the weights became infinite. */
  readonly top1: number | null;
  /** Test accuracy of the folded net; null where it does not fold. */
  readonly foldedTop1: number | null;
  /** Why it does not fold; null where it does. */
  readonly unfoldable: string | null;
  /** Processor time of a training step, mean; null where too few steps were seen. */
  readonly stepSeconds: number | null;
  /** Most kernel memory in training (weights, activations, gradients, optimizer); null as above. */
  readonly peakBytes: number | null;
  /** Learned numbers. */
  readonly parameters: { readonly train: number; readonly plain: number };
}

export type Verdict = "above" | "below" | "within noise";

/** A variant against the base. */
export interface Comparison extends WelchTest {
  /** p by Holm's correction over all variants of the ablation. */
  readonly adjustedP: number;
  /** "above" and "below" where adjustedP is under 5 %. */
  readonly verdict: Verdict;
}

export interface VariantSummary {
  readonly variant: AblationVariant;
  /** By seed. */
  readonly runs: readonly AblationRun[];
  /** Seeds whose training diverged; they count in nothing else. */
  readonly diverged: readonly number[];
  /** Of test accuracy; undefined where there is no run. */
  readonly top1: Sample | undefined;
  /** Undefined for the base, and where either has fewer than two runs. */
  readonly comparison: Comparison | undefined;
  /** Processor time of a training step and peak memory in training, as multiples of the base's. */
  readonly timeRatio: number | undefined;
  readonly memoryRatio: number | undefined;
  readonly fold: FoldSummary;
}

export type FoldSummary =
  | {
      readonly folds: true /** Largest of any run, of accuracies before and after. */;
      readonly largestDifference: number;
    }
  | { readonly folds: false; readonly reason: string };

export interface AblationSummary {
  /** In the order of the paper's tables. */
  readonly variants: readonly VariantSummary[];
  /** Names of those with runs, by mean accuracy, highest first; the paper's order of the same ones. */
  readonly order: readonly string[];
  readonly paperOrder: readonly string[];
  /** Spearman's rank correlation of the two; undefined for fewer than three. */
  readonly rankCorrelation: number | undefined;
}

/** Level of all tests together. */
const significance = 0.05;

/**
 * Runs by variant, each compared with the base.
 * @param runs in any order; of variants that are not listed none counts.
 */
export function summarizeAblation(variants: readonly AblationVariant[], runs: readonly AblationRun[]): AblationSummary {
  const base = collected(baseVariant, runs);
  const tests = variants.map((variant) => {
    const own = collected(variant, runs);
    return variant.name === baseVariant.name || !own.top1 || !base.top1 ? undefined : welchTest(own.top1, base.top1);
  });
  const tested = tests.filter((test) => test !== undefined);
  const adjusted = new Map(holm(tested.map(({ p }) => p)).map((p, i) => [tested[i]!, p]));
  const summaries = variants.map((variant, i): VariantSummary => {
    const { trained, ...own } = collected(variant, runs);
    const test = tests[i];
    return {
      variant,
      ...own,
      comparison: test && compared(test, adjusted.get(test)!),
      timeRatio: ratio(mean(trained, "stepSeconds"), mean(base.trained, "stepSeconds")),
      memoryRatio: ratio(mean(trained, "peakBytes"), mean(base.trained, "peakBytes")),
      fold: foldOf(own.runs),
    };
  });
  const ranked = summaries.filter(({ top1 }) => top1 !== undefined);
  const order = sortedNames(ranked, ({ top1 }) => top1!.mean);
  const paperOrder = sortedNames(ranked, ({ variant }) => variant.paperTop1);
  return {
    variants: summaries,
    order,
    paperOrder,
    rankCorrelation: rankCorrelation(
      ranked.map(({ top1 }) => top1!.mean),
      ranked.map(({ variant }) => variant.paperTop1),
    ),
  };
}

function collected({ name }: AblationVariant, all: readonly AblationRun[]) {
  const runs = all.filter(({ variant }) => variant === name).sort((a, b) => a.seed - b.seed);
  const trained = runs.filter(({ top1 }) => top1 !== null);
  const diverged = runs.filter(({ top1 }) => top1 === null).map(({ seed }) => seed);
  const top1 = trained.length > 0 ? sampleOf(trained.map(({ top1 }) => top1!)) : undefined;
  return { runs, trained, diverged, top1 };
}

function compared(test: WelchTest, adjustedP: number): Comparison {
  const certain = adjustedP < significance;
  return { ...test, adjustedP, verdict: !certain ? "within noise" : test.difference > 0 ? "above" : "below" };
}

function foldOf(runs: readonly AblationRun[]): FoldSummary {
  const reason = runs.find(({ unfoldable }) => unfoldable !== null)?.unfoldable;
  if (reason) return { folds: false, reason };
  const differences = runs.flatMap(({ top1, foldedTop1 }) =>
    top1 === null || foldedTop1 === null ? [] : [Math.abs(top1 - foldedTop1)],
  );
  return { folds: true, largestDifference: Math.max(0, ...differences) };
}

function mean(runs: readonly AblationRun[], field: "stepSeconds" | "peakBytes"): number | undefined {
  const known = runs.map((run) => run[field]).filter((value) => value !== null);
  return known.length > 0 ? known.reduce((sum, value) => sum + value, 0) / known.length : undefined;
}

function ratio(value: number | undefined, base: number | undefined): number | undefined {
  return value !== undefined && base !== undefined ? value / base : undefined;
}

function sortedNames(summaries: readonly VariantSummary[], by: (summary: VariantSummary) => number): string[] {
  return [...summaries].sort((a, b) => by(b) - by(a)).map(({ variant }) => variant.name);
}
