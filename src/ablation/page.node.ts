import type { VariantSummary } from "../analysis/ablation/summary.js";
import { percent, plural, shortNumber, wholeCount } from "../core/format.js";
import { describeBlock } from "../nn/blocks/describe.js";
import { blockSpec } from "../nn/build-architecture.js";
import { type Chart, type Report, type Section, units } from "../report/report-page.js";
import type { Machine } from "../studies/bench/machine.js";
import type { AblationResult } from "./ablate.node.js";
import { ablationCells, ablationHead, ablationSentences, describeRuns, verdictColumn } from "./text.js";

/**
 * An ablation to look at: every run's accuracy, the table, what each variant costs, and how it was made.
 */
export function ablationPage(result: AblationResult, machine: Machine): Report {
  const { summary, setup, pictures, remaining } = result;
  const { net, config } = setup;
  const done = summary.variants.filter(({ top1 }) => top1 !== undefined);
  const base = done[0];
  return {
    kind: "repvgg ablate",
    title: "What the branches are good for",
    lead: `${describeRuns(summary)}: one net, ${wholeCount(pictures.train)} training pictures, the same training; only the blocks and the seeds differ.${remaining > 0 ? ` Not done yet: ${plural(remaining, "run")}.` : ""}`,
    sections: [
      ...(base?.top1 ? [keyFigures(base, done)] : []),
      { kind: "heading", text: "Accuracy" },
      ...(done.length > 0 ? [chart(accuracyChart(done))] : []),
      {
        kind: "table",
        caption: "Test accuracy after the last epoch",
        columns: ["blocks", ...ablationHead].map((label) => ({
          label,
          align: label === "blocks" || label === "verdict" ? "left" : "right",
        })),
        rows: summary.variants.map((variant) => [
          variant.variant.title,
          ...ablationCells(variant).map((text, i) =>
            i === verdictColumn ? { text, look: verdictLook(variant) } : text,
          ),
        ]),
      },
      { kind: "text", text: ablationSentences(summary) },
      { kind: "text", text: howToRead },
      { kind: "heading", text: "Costs in training" },
      ...(done.length > 0 ? [chart(costChart(done))] : []),
      { kind: "heading", text: "How it was made" },
      {
        kind: "table",
        caption: "The net and its training",
        columns: [{ label: "what" }, { label: "value", align: "left" }],
        rows: [
          [
            "base net",
            Object.entries(net)
              .map(([key, value]) => `${key} ${value}`)
              .join("; "),
          ],
          ["pictures", `${wholeCount(pictures.train)} to train on, ${wholeCount(pictures.test)} to test on`],
          [
            "training",
            `${plural(config.epochs, "epoch")}, batches of ${config.batchSize}, ${config.optimizer}, learning rate ${config.learningRate}, weight decay ${config.weightDecay}`,
          ],
          [
            "parameters of the base",
            base
              ? `${wholeCount(base.runs[0]!.parameters.train)} in training form, ${wholeCount(base.runs[0]!.parameters.plain)} plain`
              : "–",
          ],
        ],
      },
      {
        kind: "table",
        caption: "The blocks",
        columns: [
          { label: "variant" },
          { label: "before the ReLU", align: "left" },
          { label: "parameters in training" },
        ],
        rows: summary.variants.map(({ variant, runs }) => [
          variant.title,
          describeBlock(blockSpec(variant.net.block ?? "repvgg", variant.net.branches)),
          runs[0] ? wholeCount(runs[0].parameters.train) : "–",
        ]),
      },
    ],
    footer: [
      ...(setup.command ? [setup.command] : []),
      `${machine.processor}, ${plural(machine.cores, "core")}, Node ${machine.node}, ${machine.date}`,
    ],
  };
}

const howToRead = [
  "Accuracies are means ± standard deviations, with the number of seeds. Differences to the base are in percentage points, ± the half-width of Welch's 95 % confidence interval. p is the chance of a difference at least as large between nets that are equally good, corrected for the number of comparisons by Holm's method; “within noise” where it is 5 % or more.",
  "Time is the processor time of one training step and memory the peak of weights, activations, gradients and optimizer state, both as multiples of the base's. The last column compares the accuracy of the folded net: equal means the same number of test pictures.",
  "The paper's column is ImageNet top-1 of RepVGG-B0 after 120 epochs (arXiv 2101.03697, tables 6 and 7), for variants as the difference to its base: a far larger net, longer training and other pictures.",
];

function keyFigures(base: VariantSummary, done: readonly VariantSummary[]): Section {
  const plain = done.find(({ variant }) => variant.name === "no-branches");
  const best = done.reduce((a, b) => (b.top1!.mean > a.top1!.mean ? b : a));
  const gain = plain && base.top1!.mean - plain.top1!.mean;
  return {
    kind: "figures",
    figures: [
      {
        label: "base",
        value: percent(base.top1!.mean),
        note: `mean test top-1 of ${plural(base.top1!.count, "seed")}`,
      },
      ...(gain === undefined
        ? []
        : [{ label: "the branches' gain", value: `${shortNumber(100 * gain)} points`, note: "base less 3×3 only" }]),
      { label: "highest mean", value: percent(best.top1!.mean), note: best.variant.title },
    ],
  };
}

function accuracyChart(done: readonly VariantSummary[]): Chart {
  const base = done[0]!;
  return {
    kind: "dots",
    title: "Test accuracy, every seed",
    description: `A dot for each run; the bar is the mean, the line around it one standard deviation. Colours tell the paper's tables apart: ${base.variant.title} is the base of both.`,
    value: { label: "test top-1", unit: units.share },
    reference: { value: base.top1!.mean, label: "mean of the base" },
    rows: done.map(({ variant, runs, top1 }) => ({
      name: variant.title,
      values: runs.flatMap((run) => run.top1 ?? []),
      mean: top1!.mean,
      ...(top1!.count > 1 && { range: [top1!.mean - top1!.deviation, top1!.mean + top1!.deviation] as const }),
      look: variant.table === 6 ? 0 : 1,
    })),
  };
}

function costChart(done: readonly VariantSummary[]): Chart {
  return {
    kind: "bars",
    title: "Training step and memory",
    description: "As multiples of the base's. In use, every variant that folds costs the same.",
    value: { label: "× the base", zero: true },
    categories: done.map(({ variant }) => variant.title),
    series: [
      { name: "processor time of a step", values: done.map(({ timeRatio }) => timeRatio) },
      { name: "peak memory", values: done.map(({ memoryRatio }) => memoryRatio) },
    ],
  };
}

function verdictLook({ comparison }: VariantSummary): "good" | "bad" | "muted" {
  if (comparison?.verdict === "above") return "good";
  return comparison?.verdict === "below" ? "bad" : "muted";
}

function chart(drawn: Chart): Section {
  return { kind: "chart", chart: drawn };
}
