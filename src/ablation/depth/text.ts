import { meanHalfWidth, type Sample, type WelchTest } from "../../analysis/ablation/significance.js";
import type { AtDepth, DepthSummary, VariantAtDepth } from "./summary.js";
import { allBranches, studyVariants } from "./variants.js";

/** The columns of {@link studyCells}, after layers and blocks. */
export const studyHead = [
  ...["test top-1 (%)", "to all branches", "p", "paper"],
  ...["training top-1 (%)", "training loss", "time", "memory"],
];

const paperBase = studyVariants.find(({ name }) => name === allBranches)!.paperTop1!;

/** A variant's results at one depth as the cells of a table. */
export function studyCells({ variant, ...cell }: VariantAtDepth): string[] {
  const { top1, comparison, fittedTop1, fittedLoss, timeRatio, memoryRatio, diverged } = cell;
  const paper = variant.paperTop1;
  const ended = top1 ? estimate(top1, 100, 2) : "–";
  return [
    diverged.length > 0 ? `${ended}; ${diverged.length} diverged` : ended,
    comparison ? difference(comparison, 100, 2) : "–",
    comparison ? (comparison.adjustedP < 0.001 ? "< 0.001" : comparison.adjustedP.toFixed(3)) : "–",
    paper === null
      ? "–"
      : variant.name === allBranches
        ? (100 * paper).toFixed(2)
        : signed(100 * (paper - paperBase), 2),
    fittedTop1 ? estimate(fittedTop1, 100, 2) : "–",
    fittedLoss ? estimate(fittedLoss, 1, 3) : "–",
    timeRatio === undefined ? "–" : `${timeRatio.toFixed(2)} ×`,
    memoryRatio === undefined ? "–" : `${memoryRatio.toFixed(2)} ×`,
  ];
}

/** What the study says of the paper's claim, in sentences: each depth, then where it begins. */
export function studySentences({ depths, claimFrom }: DepthSummary): string[] {
  const compared = depths.filter(({ claim }) => claim !== undefined);
  if (compared.length === 0) return [];
  return [
    ...compared.map(claimSentence),
    claimFrom === undefined
      ? "The paper's claim, that branches make a plain net train better, does not show at the deepest of these depths by more than its 95 % interval."
      : `All branches are above none by more than the 95 % interval from ${claimFrom} layers on.`,
    ...depths.filter((one) => one.rankCorrelation !== undefined).map(rankSentence),
  ];
}

function claimSentence({ layers, claim }: AtDepth): string {
  const { top1, fittedLoss } = claim!;
  const [low, high] = top1.interval;
  const verdict = low > 0 ? "the branches help" : high < 0 ? "the branches harm" : "within noise";
  return `${layers} layers: all branches less none ${difference(top1, 100, 2)} points of test accuracy (${verdict}), ${difference(fittedLoss, 1, 3)} in training loss.`;
}

function rankSentence({ layers, rankCorrelation, variants }: AtDepth): string {
  const order = variants
    .filter(({ variant }) => variant.claim)
    .sort((a, b) => b.top1!.mean - a.top1!.mean)
    .map(({ variant }) => variant.title);
  return `Rank correlation with table 6 at ${layers} layers: ${signed(rankCorrelation!, 2)} (best first: ${order.join(", ")}).`;
}

/** "71.20 ± 0.31 (5)": mean, half-width of its 95 % interval, seeds. */
function estimate(sample: Sample, scale: number, digits: number): string {
  const half = meanHalfWidth(sample);
  const spread = half === undefined ? "" : ` ± ${(scale * half).toFixed(digits)}`;
  return `${(scale * sample.mean).toFixed(digits)}${spread} (${sample.count})`;
}

/** "+1.20 ± 0.40": the half-width of Welch's 95 % interval. */
function difference({ difference: mean, interval: [low, high] }: WelchTest, scale: number, digits: number): string {
  return `${signed(scale * mean, digits)} ± ${((scale * (high - low)) / 2).toFixed(digits)}`;
}

function signed(value: number, digits: number): string {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;
}
