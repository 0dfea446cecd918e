import type { Evaluation } from "../api/evaluation.js";
import { saysTop5 } from "../api/evaluation.js";
import { percent, wholeCount } from "../core/format.js";
import { extremes } from "../core/statistics.js";
import type { Report, Section } from "../report/report-page.js";

/** Classes up to which the confusion matrix is drawn. */
const mostDrawnClasses = 40;

/** Pairs of classes that are listed where it is not. */
const mostPairs = 20;

/** What a page on accuracy is about. */
export interface EvaluatedNet {
  /** "model.safetensors (training form)" */
  readonly net: string;
  readonly dataset: string;
}

/** Accuracy of a net to look at. */
export function evaluationReport(
  { net, dataset }: EvaluatedNet,
  evaluation: Evaluation,
  mistakes: readonly Section[],
  footer: readonly string[] = [],
): Report {
  const { images, top1, top5, balancedAccuracy, loss, skipped, warnings, assumed, perClass } = evaluation;
  return {
    kind: "repvgg eval",
    title: `${net} on ${dataset}`,
    lead: `${percent(top1)} of ${wholeCount(images)} pictures are recognised.`,
    sections: [
      {
        kind: "figures",
        figures: [
          { label: "top-1", value: percent(top1) },
          { label: "balanced accuracy", value: percent(balancedAccuracy), note: "mean recall of the classes" },
          ...(saysTop5(perClass.length) ? [{ label: "top-5", value: percent(top5) }] : []),
          { label: "loss", value: loss.toFixed(4), note: "mean cross-entropy" },
        ],
      },
      ...warningSection([
        ...assumed,
        ...warnings,
        ...(skipped.length > 0 ? [`${skipped.length} files were left out`] : []),
      ]),
      ...evaluationSections(evaluation, mistakes),
    ],
    footer,
  };
}

export function warningSection(warnings: readonly string[]): Section[] {
  if (warnings.length === 0) return [];
  return [{ kind: "notes", notes: warnings.map((text) => ({ level: "warning" as const, text })) }];
}

/** What was taken for what, how each class fared, and the worst mistakes. */
export function evaluationSections(
  evaluation: Evaluation | Omit<Evaluation, "skipped" | "warnings" | "assumed">,
  mistakes: readonly Section[],
): Section[] {
  const { perClass, confusion } = evaluation;
  const names = perClass.map(({ name }) => name);
  return [
    { kind: "heading", text: "Classes" },
    names.length <= mostDrawnClasses ? confusionChart(names, confusion) : confusedPairs(names, confusion),
    classTable(evaluation),
    ...(mistakes.length > 0
      ? [
          { kind: "heading", text: "Mistakes" } as const,
          {
            kind: "text",
            text: "The net's answer with its probability, below it what the picture is labelled as. A mistake of which a net is sure is often a wrong label, or a picture that shows several things.",
          } as const,
          ...mistakes,
        ]
      : []),
  ];
}

function confusionChart(names: readonly string[], confusion: Evaluation["confusion"]): Section {
  const wrong = confusion.map((row, truth) => row.map((count, answer) => (answer === truth ? 0 : count)));
  const [, most] = extremes(wrong.flat());
  const [pair] = pairs(names, confusion);
  const worst = pair ? ` Most often: ${pair.truth} taken for ${pair.answer} (${wholeCount(pair.count)} ×).` : "";
  return {
    kind: "chart",
    chart: {
      kind: "heat-map",
      title: "What was taken for what",
      description: `Pictures by true class (rows) and answer (columns). The diagonal is right and has no colour; the colours are those of the mistakes, up to the commonest.${worst}`,
      panels: [{ rows: names.length, columns: names.length, values: confusion.flat() }],
      scale: "sequential",
      limit: Math.max(1, most),
      rowLabels: names,
      columnLabels: names,
      rowTitle: "true class",
      columnTitle: "answer",
      plainDiagonal: true,
      showValues: true,
      unit: { format: wholeCount },
    },
  };
}

interface Pair {
  readonly truth: string;
  readonly answer: string;
  readonly count: number;
  /** Of the true class's pictures. */
  readonly share: number;
}

/** Which class was taken for which other one, the commonest first. */
function pairs(names: readonly string[], confusion: Evaluation["confusion"]): Pair[] {
  return confusion
    .flatMap((row, truth) => {
      const total = row.reduce((sum, count) => sum + count, 0);
      return row.flatMap((count, answer) =>
        answer === truth || count === 0
          ? []
          : [{ truth: names[truth]!, answer: names[answer]!, count, share: count / total }],
      );
    })
    .sort((a, b) => b.count - a.count);
}

function confusedPairs(names: readonly string[], confusion: Evaluation["confusion"]): Section {
  return {
    kind: "table",
    caption: "What was most often taken for what",
    columns: [
      { label: "true class" },
      { label: "answer", align: "left" },
      { label: "pictures" },
      { label: "of the class" },
    ],
    rows: pairs(names, confusion)
      .slice(0, mostPairs)
      .map(({ truth, answer, count, share }) => [truth, answer, count, { text: percent(share), share }]),
  };
}

function classTable({ perClass, confusion }: Pick<Evaluation, "perClass" | "confusion">): Section {
  const names = perClass.map(({ name }) => name);
  const answered = names.map((_, c) => confusion.reduce((sum, row) => sum + row[c]!, 0));
  const share = (value: number) => (Number.isFinite(value) ? { text: percent(value), share: value } : "–");
  return {
    kind: "table",
    caption: "Accuracy by class",
    folded: names.length > mostDrawnClasses,
    columns: [
      { label: "class" },
      { label: "pictures" },
      { label: "recognised (recall)" },
      { label: "right when answered (precision)" },
      { label: "most often taken for", align: "left" },
    ],
    rows: perClass.map(({ name, recall }, c) => {
      const row = confusion[c]!;
      const [worst] = pairs(
        names,
        confusion.map((counts, truth) => (truth === c ? counts : [])),
      );
      return [
        name,
        row.reduce((sum, count) => sum + count, 0),
        share(recall),
        share(row[c]! / answered[c]!),
        worst ? `${worst.answer} (${wholeCount(worst.count)})` : "",
      ];
    }),
  };
}
