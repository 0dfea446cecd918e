import {
  rankCorrelation,
  type Sample,
  sampleOf,
  type WelchTest,
  welchTest,
} from "../../analysis/ablation/significance.js";
import { type AblationRun, type Comparison, summarizeAblation } from "../../analysis/ablation/summary.js";
import type { AblationVariant } from "../../analysis/ablation/variants.js";
import type { StudyPlan } from "./plan.js";
import type { StudyRun } from "./results.js";
import { allBranches, noBranches, type StudyVariant, studyVariants } from "./variants.js";

/** A variant at one depth. */
export interface VariantAtDepth {
  readonly variant: StudyVariant;
  /** By seed; those that diverged too. */
  readonly runs: readonly StudyRun[];
  /** Seeds whose training diverged; they count in nothing else. */
  readonly diverged: readonly number[];
  /** Of test accuracy, training accuracy and training loss; undefined where there is no run. */
  readonly top1: Sample | undefined;
  readonly fittedTop1: Sample | undefined;
  readonly fittedLoss: Sample | undefined;
  /** Test accuracy against all branches; p by Holm's correction over the variants of this depth. */
  readonly comparison: Comparison | undefined;
  /** As multiples of that of all branches. */
  readonly timeRatio: number | undefined;
  readonly memoryRatio: number | undefined;
}

/** All branches less none: the paper's claim, in accuracy and in what could be fitted. */
export interface Claim {
  readonly top1: WelchTest;
  readonly fittedLoss: WelchTest;
}

export interface AtDepth {
  readonly layers: number;
  readonly variants: readonly VariantAtDepth[];
  /** Undefined where either has fewer than two runs. */
  readonly claim: Claim | undefined;
  /** Spearman's correlation of mean accuracies with table 6's, over its variants; undefined until all of them have runs. */
  readonly rankCorrelation: number | undefined;
}

export interface DepthSummary {
  /** The shallowest first; of depths that have runs. */
  readonly depths: readonly AtDepth[];
  /** The least number of layers from which on all branches are above none by more than the 95 % interval; undefined: nowhere. */
  readonly claimFrom: number | undefined;
}

/** @param runs results and choices, in any order; choices do not count here */
export function summarizeStudy(
  { nets, seeds }: Pick<StudyPlan, "nets" | "seeds">,
  runs: readonly StudyRun[],
): DepthSummary {
  const results = runs.filter(({ part }) => part.kind === "result");
  const variants = studyVariants.filter(({ name }) => (seeds[name] ?? 0) > 0);
  const depths = nets
    .map(({ layers }) => layers)
    .sort((a, b) => a - b)
    .map((layers) => ({ layers, runs: results.filter(({ part }) => part.layers === layers) }))
    .filter(({ runs }) => runs.length > 0)
    .map(({ layers, runs }) => atDepth(layers, variants, runs));
  const firstNot = depths.findLastIndex(({ claim }) => !claim || claim.top1.interval[0] <= 0);
  return { depths, claimFrom: depths[firstNot + 1]?.layers };
}

function atDepth(layers: number, variants: readonly StudyVariant[], runs: readonly StudyRun[]): AtDepth {
  const compared = summarizeAblation(variants.map(asAblated), runs.map(asAblationRun)).variants;
  const cells = variants.map((variant, i): VariantAtDepth => {
    const own = runs.filter(({ part }) => part.variant === variant.name).sort((a, b) => a.part.seed - b.part.seed);
    const fitted = own.flatMap((run) => run.fitted ?? []);
    const { diverged, top1, comparison, timeRatio, memoryRatio } = compared[i]!;
    return {
      ...{ variant, runs: own, diverged, top1, comparison, timeRatio, memoryRatio },
      fittedTop1: fitted.length > 0 ? sampleOf(fitted.map((one) => one.top1)) : undefined,
      fittedLoss: fitted.length > 0 ? sampleOf(fitted.map((one) => one.loss)) : undefined,
    };
  });
  const claimed = cells.filter(({ variant }) => variant.claim);
  const complete = claimed.every(({ top1 }) => top1 !== undefined);
  return {
    layers,
    variants: cells.filter((cell) => cell.runs.length > 0),
    claim: claimOf(cells),
    rankCorrelation: complete
      ? rankCorrelation(
          claimed.map(({ top1 }) => top1!.mean),
          claimed.map(({ variant }) => variant.paperTop1!),
        )
      : undefined,
  };
}

function claimOf(cells: readonly VariantAtDepth[]): Claim | undefined {
  const [all, none] = [allBranches, noBranches].map((name) => cells.find(({ variant }) => variant.name === name));
  if (!all?.top1 || !none?.top1) return undefined;
  const top1 = welchTest(all.top1, none.top1);
  const fittedLoss = welchTest(all.fittedLoss!, none.fittedLoss!);
  return top1 && fittedLoss ? { top1, fittedLoss } : undefined;
}

/** As the shallow study takes them: what the paper says of a variant plays no part in what is taken from it here. */
function asAblated({ name, title, net, paperTop1 }: StudyVariant): AblationVariant {
  return { name, title, net, table: 6, paperTop1: paperTop1 ?? Number.NaN };
}

function asAblationRun({ part, judged, stepSeconds, peakBytes, parameters }: StudyRun): AblationRun {
  const { variant, seed } = part;
  const top1 = judged?.top1 ?? null;
  return { ...{ variant, seed, top1, stepSeconds, peakBytes, parameters }, foldedTop1: null, unfoldable: null };
}
