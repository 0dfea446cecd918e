import type { Sample } from "../analysis/ablation/significance.js";
import type { AblationSummary, VariantSummary } from "../analysis/ablation/summary.js";
import { baseVariant } from "../analysis/ablation/variants.js";
import { plural } from "../core/format.js";

/** The columns of {@link ablationCells}, after the one that names the variant. */
export const ablationHead = ["test top-1 (%)", "to base (95 %)", "p", "verdict", "paper", "time", "memory", "folded"];

/** Where in a row the verdict stands. */
export const verdictColumn = ablationHead.indexOf("verdict");

/** A variant's results as the cells of a table, for the terminal and for pages. */
export function ablationCells(summary: VariantSummary): string[] {
  const { variant, top1, comparison, timeRatio, memoryRatio } = summary;
  return [
    top1 ? spread(top1) : "–",
    comparison ? `${points(comparison.difference)} ± ${halfWidth(comparison.interval)}` : "–",
    comparison ? probability(comparison.adjustedP) : "–",
    comparison?.verdict ?? "–",
    variant.name === baseVariant.name ? (100 * variant.paperTop1).toFixed(2) : points(paperDifference(summary)),
    times(timeRatio),
    times(memoryRatio),
    foldCell(summary),
  ];
}

/** What the table says, in sentences. */
export function ablationSentences({ variants, order, paperOrder, rankCorrelation }: AblationSummary): string[] {
  const compared = variants.filter(({ comparison }) => comparison !== undefined);
  const certain = compared.filter(({ comparison }) => comparison!.verdict !== "within noise");
  const noise = compared.filter((summary) => !certain.includes(summary));
  const agreeing = compared.filter(
    (summary) => Math.sign(summary.comparison!.difference) === Math.sign(paperDifference(summary)),
  );
  const title = (name: string): string => variants.find(({ variant }) => variant.name === name)!.variant.title;
  const titles = (some: readonly VariantSummary[]): string => some.map(({ variant }) => variant.title).join(", ");
  const diverged = variants.filter((summary) => summary.diverged.length > 0);
  return [
    order.length > 1 ? `Order by mean: ${order.map(title).join(" > ")}.` : "",
    order.length > 1 ? `The paper's: ${paperOrder.map(title).join(" > ")}.` : "",
    rankCorrelation === undefined ? "" : `Rank correlation of the two: ${signed(rankCorrelation)} (1: the same order).`,
    compared.length > 0
      ? `${agreeing.length} of ${compared.length} differences to the base have the paper's sign; beyond noise: ${certain.length > 0 ? titles(certain) : "none"}.`
      : "",
    noise.length > 0 ? `Within noise, that is, not to be told from the base by these runs: ${titles(noise)}.` : "",
    diverged.length > 0
      ? `Diverged and not counted: ${diverged.map(({ variant, diverged: seeds }) => `${variant.title}, seed ${seeds.join(" and ")}`).join("; ")}.`
      : "",
  ].filter(Boolean);
}

/** Mean, standard deviation and number of seeds: "71.20 ± 0.31 (5)" */
function spread({ mean, deviation, count }: Sample): string {
  const middle = (100 * mean).toFixed(2);
  return count > 1 ? `${middle} ± ${(100 * deviation).toFixed(2)} (${count})` : `${middle} (1)`;
}

/** Student's interval is symmetric. */
function halfWidth([low, high]: readonly [number, number]): string {
  return (50 * (high - low)).toFixed(2);
}

/** A difference of shares in percentage points: "−0.35". */
function points(difference: number): string {
  return signed(100 * difference);
}

function signed(value: number): string {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
}

function probability(p: number): string {
  return p < 0.001 ? "< 0.001" : p.toFixed(3);
}

function paperDifference({ variant }: VariantSummary): number {
  return variant.paperTop1 - baseVariant.paperTop1;
}

function times(ratio: number | undefined): string {
  return ratio === undefined ? "–" : `${ratio.toFixed(2)} ×`;
}

function foldCell({ fold, runs }: VariantSummary): string {
  if (!fold.folds) return "no fold";
  if (runs.length === 0) return "–";
  return fold.largestDifference === 0 ? "equal" : `± ${points(fold.largestDifference).slice(1)}`;
}

/** "42 runs of 3 variants" */
export function describeRuns({ variants }: AblationSummary): string {
  const runs = variants.reduce((sum, variant) => sum + variant.runs.length, 0);
  return `${plural(runs, "run")} of ${plural(variants.length, "variant")}`;
}
