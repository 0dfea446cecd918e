import { meanHalfWidth, type Sample } from "../../analysis/ablation/significance.js";
import { type Chart, units } from "../../report/report-page.js";
import type { StudyRun } from "./results.js";
import type { AtDepth, DepthSummary, VariantAtDepth } from "./summary.js";
import { allBranches, noBranches, studyVariants } from "./variants.js";

/** Test accuracy against depth. */
export function accuracyChart(summary: DepthSummary): Chart {
  return againstDepth(summary, ({ top1 }) => top1, {
    title: "Test accuracy against depth",
    description: "Mean over seeds after the last epoch, with 95 % confidence intervals.",
    y: { label: "test top-1", unit: units.share },
  });
}

/** Training loss against depth: what a net can fit. */
export function fittedChart(summary: DepthSummary): Chart {
  return againstDepth(summary, ({ fittedLoss }) => fittedLoss, {
    title: "Training loss against depth",
    description:
      "Cross-entropy over the training pictures without variation, after the last epoch: mean over seeds with 95 % confidence intervals. A net that cannot fit has a higher one.",
    y: { label: "training loss" },
  });
}

function againstDepth(
  { depths }: DepthSummary,
  of: (cell: VariantAtDepth) => Sample | undefined,
  text: Pick<Extract<Chart, { kind: "lines" }>, "title" | "description" | "y">,
): Chart {
  const series = studyVariants.map((variant) => ({
    name: variant.title,
    draw: "both" as const,
    points: depths.flatMap(({ layers, variants }) => {
      const cell = variants.find((one) => one.variant.name === variant.name);
      const sample = cell && of(cell);
      if (!sample) return [];
      const spread = meanHalfWidth(sample);
      return { x: layers, y: sample.mean, label: variant.title, ...(spread !== undefined && { spread }) };
    }),
  }));
  return {
    ...{ kind: "lines", ...text, x: { label: "layers", scale: "linear", zero: true } },
    series: series.filter(({ points }) => points.length > 0),
  };
}

/** Gradient norms of each layer's 3×3 kernel, with all branches and with none; undefined where a variant has no run. */
export function gradientChart({ layers, variants }: AtDepth): Chart | undefined {
  const drawn = [allBranches, noBranches].map((name) => variants.find(({ variant }) => variant.name === name));
  if (drawn.some((cell) => !cell?.top1)) return undefined;
  return {
    kind: "lines",
    title: `Gradients by layer, ${layers} layers`,
    description:
      "L2 norm of the loss's gradient by each layer's 3×3 kernel on 512 training pictures, geometric mean over seeds; before the first step and after the last.",
    x: { label: "layer" },
    y: { label: "gradient norm", scale: "log" },
    series: drawn.flatMap((cell) =>
      (["start", "end"] as const).map((when) => ({
        name: `${cell!.variant.title}, ${when}`,
        points: geometricMeans(
          cell!.runs.map(({ gradients }) => gradients[when]).filter((list) => list.length > 0),
        ).map((y, layer) => ({ x: layer + 1, y })),
      })),
    ),
  };
}

/** Training loss over the epochs, as trained. */
export function lossChart({ layers, variants }: AtDepth): Chart {
  return {
    kind: "lines",
    title: `Loss over the epochs, ${layers} layers`,
    description:
      "Mean of each epoch's step losses, pictures varied, mean over seeds. Where custom L2 is on, it is part of the loss.",
    x: { label: "epoch" },
    y: { label: "loss as trained" },
    series: variants
      .filter(({ top1 }) => top1 !== undefined)
      .map(({ variant, runs }) => ({
        name: variant.title,
        points: means(runs.filter(({ judged }) => judged !== null).map(({ epochLosses }) => epochLosses)).map(
          (y, i) => ({
            x: i + 1,
            y,
          }),
        ),
      })),
  };
}

/** Accuracy on held-out training pictures by learning rate; undefined where nothing was tried at this depth. */
export function choiceChart(layers: number, runs: readonly StudyRun[]): Chart | undefined {
  const tried = runs.filter(({ part, judged }) => part.kind === "choice" && part.layers === layers && judged);
  if (tried.length === 0) return undefined;
  const names = [...new Set(tried.map(({ part }) => `${part.variant}, warm-up ${part.warmupEpochs}`))];
  return {
    kind: "lines",
    title: `Choice of the learning rate, ${layers} layers`,
    description: "Short runs, judged by training pictures that no net of the study learns from.",
    x: { label: "learning rate", scale: "log" },
    y: { label: "held-out top-1", unit: units.share },
    series: names.map((name) => ({
      name,
      draw: "both" as const,
      points: tried
        .filter(({ part }) => `${part.variant}, warm-up ${part.warmupEpochs}` === name)
        .sort((a, b) => a.part.learningRate - b.part.learningRate)
        .map(({ part, judged }) => ({ x: part.learningRate, y: judged!.top1 })),
    })),
  };
}

function means(lists: readonly (readonly number[])[]): number[] {
  return (lists[0] ?? []).map((_, i) => lists.reduce((sum, list) => sum + list[i]!, 0) / lists.length);
}

function geometricMeans(lists: readonly (readonly number[])[]): number[] {
  return means(lists.map((list) => list.map(Math.log))).map(Math.exp);
}
