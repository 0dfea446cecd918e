import { isUnbalanced } from "../data/class-counts.js";
import type { Dataset, SkippedFile } from "../data/dataset.js";
import { pictureName } from "../data/picture-name.js";
import type { ClassificationMetrics } from "../train/metrics.js";

/** Accuracy on labelled pictures; plain JSON. Shares in [0, 1]. */
export interface Evaluation {
  /** Pictures that were scored. */
  readonly images: number;
  /** Share whose likeliest class is right. */
  readonly top1: number;
  /** Share whose class is among the five likeliest. */
  readonly top5: number;
  /** Mean over the classes that have pictures of the share of each that is answered right: small classes count as much as large ones. */
  readonly balancedAccuracy: number;
  /** Mean cross-entropy. */
  readonly loss: number;
  /** Of each class, in the order of the logits: the share of its pictures that were answered right. */
  readonly perClass: readonly { readonly name: string; readonly recall: number }[];
  /** [true class][predicted class] */
  readonly confusion: readonly (readonly number[])[];
  /** The wrong answers of which the net was surest (24 at most), the surest first. */
  readonly mistakes: readonly NamedMistake[];
  /** Files that could not be read, with the reasons; they are in no figure. */
  readonly skipped: readonly SkippedFile[];
  /** Sentences: pictures prepared otherwise than the net was trained with, BatchNorm statistics that are stale. */
  readonly warnings: readonly string[];
  /** Sentences: what of classes and preprocessing was assumed because the net's file does not say it. */
  readonly assumed: readonly string[];
}

/** A wrong answer, by names. */
export interface NamedMistake {
  /** In the data set. */
  readonly index: number;
  /** The picture's file, or its index with "#". */
  readonly picture: string;
  /** The picture's class. */
  readonly truth: string;
  /** What the net took it for. */
  readonly predicted: string;
  /** Softmax of both. */
  readonly probability: number;
  /** Softmax of the picture's class. */
  readonly truthProbability: number;
}

/** What was counted on a data set, by names. */
export function evaluationOf(
  metrics: ClassificationMetrics,
  dataset: Dataset,
): Omit<Evaluation, "skipped" | "warnings" | "assumed"> {
  const { classes, count, top1, top5, balancedAccuracy, loss, perClass, confusion } = metrics;
  const { classNames } = dataset;
  return {
    images: count,
    top1,
    top5,
    balancedAccuracy,
    loss,
    perClass: classNames.map((name, c) => ({ name, recall: perClass[c]! })),
    confusion: Array.from({ length: classes }, (_, c) => [...confusion.subarray(c * classes, (c + 1) * classes)]),
    mistakes: metrics.mistakes.map(({ index, truth, predicted, ...probabilities }) => ({
      index,
      picture: pictureName(dataset, index),
      truth: classNames[truth]!,
      predicted: classNames[predicted]!,
      ...probabilities,
    })),
  };
}

/** Whether the classes have so different numbers of pictures that the balanced accuracy is a figure of its own. */
export function saysBalanced({ confusion }: Pick<Evaluation, "confusion">): boolean {
  const counts = confusion.map((row) => row.reduce((sum, count) => sum + count, 0));
  return isUnbalanced(counts.filter((count) => count > 0));
}

/** Whether the share of pictures whose class is among the five likeliest says anything: of five classes every one is. */
export function saysTop5(classes: number): boolean {
  return classes > 5;
}
