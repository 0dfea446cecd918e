import { percent, plural, shortNumber, wholeCount } from "../../core/format.js";
import { describeBlock } from "../../nn/blocks/describe.js";
import { blockSpec } from "../../nn/build-architecture.js";
import type { Chart, Report, Section } from "../../report/report-page.js";
import { accuracyChart, choiceChart, fittedChart, gradientChart, lossChart } from "./charts.js";
import { partName, type StudyPlan } from "./plan.js";
import type { StudyRun } from "./results.js";
import type { DepthSummary } from "./summary.js";
import { studyCells, studyHead, studySentences } from "./text.js";

/** What a report is made of. */
export interface StudyFacts {
  readonly plan: StudyPlan;
  readonly runs: readonly StudyRun[];
  readonly summary: DepthSummary;
  /** Results that the plan has and nobody has trained yet. */
  readonly remaining: number;
}

/** A depth study to look at: accuracy and training loss against depth, every number, gradients by layer, and how it was made. */
export function studyPage({ plan, runs, summary, remaining }: StudyFacts): Report {
  const results = runs.filter(({ part }) => part.kind === "result");
  const drawn = summary.depths.length > 0;
  return {
    kind: "repvgg ablate depth",
    title: "What the branches are good for, at depth",
    lead: `${plural(results.length, "net")} of ${summary.depths.map(({ layers }) => layers).join(", ") || "no"} layers on ${wholeCount(plan.pictures)} training pictures, ${plural(plan.config.epochs, "epoch")} each; only depth, blocks and seeds differ.${remaining > 0 ? ` Not done yet: ${plural(remaining, "net")}.` : ""}`,
    sections: [
      ...(drawn ? [{ kind: "text" as const, text: studySentences(summary) }] : []),
      { kind: "heading", text: "Accuracy and fit against depth" },
      ...(drawn ? [chart(accuracyChart(summary)), chart(fittedChart(summary)), resultsTable(summary)] : []),
      { kind: "text", text: howToRead },
      { kind: "heading", text: "Why: gradients and loss" },
      ...summary.depths.flatMap((one) => [...optional(gradientChart(one)), chart(lossChart(one))]),
      ...choiceSections(plan, runs),
      { kind: "heading", text: "How it was made" },
      ...settings(plan, summary),
      runsTable(runs),
    ],
    footer: plan.command ? [plan.command] : [],
  };
}

function resultsTable({ depths }: DepthSummary): Section {
  return {
    kind: "table",
    caption: "After the last epoch",
    columns: [{ label: "layers" }, { label: "blocks", align: "left" }, ...studyHead.map((label) => ({ label }))],
    rows: depths.flatMap(({ layers, variants }) =>
      variants.map((cell) => [layers, cell.variant.title, ...studyCells(cell)]),
    ),
  };
}

const howToRead = [
  "Test pictures are looked at once, after the last epoch. Accuracies and losses are means over seeds ± the half-width of their 95 % confidence interval (Student), with the number of seeds. Differences to all branches are in percentage points, ± the half-width of Welch's 95 % interval; p is corrected for the number of variants of a depth by Holm's method.",
  "Training accuracy and training loss are of the training pictures themselves, without variation, in inference mode: what a net could fit. Time is processor time of a training step and memory the peak of kernel memory in training, both as multiples of those of all branches at the same depth.",
  "The paper's column is ImageNet top-1 of RepVGG-B0 (28 layers) after 120 epochs, one run each (arXiv 2101.03697, tables 6 and 7), as the difference to its base: a wider net, longer training and other pictures.",
];

function choiceSections({ nets }: StudyPlan, runs: readonly StudyRun[]): Section[] {
  const charts = nets.flatMap(({ layers }) => optional(choiceChart(layers, runs)));
  return charts.length === 0 ? [] : [{ kind: "heading", text: "How the learning rate was chosen" }, ...charts];
}

function settings(plan: StudyPlan, { depths }: DepthSummary): Section[] {
  const { config, nets, widths, strides, pictures, choicePictures, learningRates } = plan;
  const own = Object.entries(learningRates).map(([place, rate]) => `${place}: ${rate}`);
  const rows: [string, string][] = [
    ["stages", nets.map(({ layers, depths: stages }) => `${layers}: 1, ${stages.join(", ")}`).join("; ")],
    ["widths", widths.join(", ")],
    ["strides of the first layers", strides.join(", ")],
    ["pictures", `${wholeCount(pictures)} to learn from, ${wholeCount(choicePictures)} others to choose settings by`],
    [
      "training",
      `${plural(config.epochs, "epoch")}, batches of ${config.batchSize}, ${config.optimizer}, momentum ${config.momentum}`,
    ],
    ["learning rate", [String(config.learningRate), ...own].join("; ")],
    ["warm-up", `${shortNumber(config.warmupEpochs)} epochs, then half a cosine to 0`],
    ["weight decay", String(config.weightDecay)],
    ["variation of pictures", JSON.stringify(config.augmentation)],
  ];
  const blocks = [
    ...new Map(depths.flatMap(({ variants }) => variants).map((cell) => [cell.variant.name, cell])).values(),
  ];
  return [
    {
      kind: "table",
      caption: "The nets and their training",
      columns: [{ label: "what" }, { label: "value", align: "left" }],
      rows,
    },
    {
      kind: "table",
      caption: "The blocks",
      columns: [
        { label: "variant" },
        { label: "before the ReLU", align: "left" },
        { label: "its own recipe", align: "left" },
      ],
      rows: blocks.map(({ variant }) => [
        variant.title,
        describeBlock(blockSpec(variant.net.block ?? "repvgg", variant.net.branches)),
        describeRecipe(variant.recipe),
      ]),
    },
  ];
}

function describeRecipe({
  customL2,
  weightDecay,
}: {
  readonly customL2?: boolean;
  readonly weightDecay?: number;
}): string {
  const parts = [customL2 ? "custom L2" : "", weightDecay === undefined ? "" : `weight decay ${weightDecay}`];
  return parts.filter(Boolean).join(", ") || "as above";
}

function runsTable(runs: readonly StudyRun[]): Section {
  return {
    kind: "table",
    caption: "Every run",
    folded: true,
    columns: ["part", "learning rate", "top-1", "training top-1", "training loss", "s a step", "MiB", "weights"].map(
      (label) => ({ label }),
    ),
    rows: runs.map(({ part, judged, fitted, stepSeconds, peakBytes, weights }) => [
      partName(part),
      part.learningRate,
      judged ? percent(judged.top1) : "diverged",
      fitted ? percent(fitted.top1) : "–",
      fitted ? fitted.loss.toFixed(4) : "–",
      shortNumber(stepSeconds),
      Math.round(peakBytes / 2 ** 20),
      weights.slice(0, 12),
    ]),
  };
}

function chart(drawn: Chart): Section {
  return { kind: "chart", chart: drawn };
}

function optional(drawn: Chart | undefined): Section[] {
  return drawn ? [chart(drawn)] : [];
}

/** Pictures for a repository's pages, by file name: each chart of the page is in one. */
export function studyCharts({ plan, runs, summary }: Omit<StudyFacts, "remaining">): Map<string, readonly Chart[]> {
  const { depths } = summary;
  const pictures: [string, readonly Chart[]][] = [
    ["accuracy.svg", depths.length > 0 ? [accuracyChart(summary), fittedChart(summary)] : []],
    ["gradients.svg", depths.flatMap((one) => gradientChart(one) ?? [])],
    ["losses.svg", depths.map(lossChart)],
    ["choices.svg", plan.nets.flatMap(({ layers }) => choiceChart(layers, runs) ?? [])],
  ];
  return new Map(pictures.filter(([, charts]) => charts.length > 0));
}
