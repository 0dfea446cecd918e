import type { Evaluation } from "../api/evaluation.js";

/** What the net of one fold made of the pictures that it did not see. Plain JSON; shares in [0, 1]. */
export interface FoldScore {
  /** Pictures that it was trained on. */
  readonly trainedOn: number;
  /** Pictures that it was tested on. */
  readonly images: number;
  /** Share that is answered right. */
  readonly top1: number;
  /** Over the classes that the fold has pictures of. */
  readonly balancedAccuracy: number;
  /** Mean cross-entropy. */
  readonly loss: number;
  /** [true class][predicted class] */
  readonly confusion: readonly (readonly number[])[];
}

/** A figure of the folds. */
export interface Spread {
  /** Of the folds, each counted once. */
  readonly mean: number;
  /** Sample standard deviation of the folds. */
  readonly deviation: number;
}

/** A cross-validation. Plain JSON; shares in [0, 1]. */
export interface CrossValidation {
  /** In order. */
  readonly folds: readonly FoldScore[];
  /** Share that is answered right. */
  readonly top1: Spread;
  /** Mean recall of the classes. */
  readonly balancedAccuracy: Spread;
  /** Mean cross-entropy. */
  readonly loss: Spread;
  /** Of all pictures together, each judged by a net that did not see it. */
  readonly pooled: Pick<Evaluation, "images" | "top1" | "balancedAccuracy" | "perClass" | "confusion">;
}

export function foldScore(trainedOn: number, evaluation: Evaluation): FoldScore {
  const { images, top1, balancedAccuracy, loss, confusion } = evaluation;
  return { trainedOn, images, top1, balancedAccuracy, loss, confusion };
}

/** @param folds at least two */
export function crossValidation(folds: readonly FoldScore[], classNames: readonly string[]): CrossValidation {
  const confusion = classNames.map((_, truth) =>
    classNames.map((__, answer) => folds.reduce((sum, fold) => sum + fold.confusion[truth]![answer]!, 0)),
  );
  const sizes = confusion.map((row) => row.reduce((sum, count) => sum + count, 0));
  const recalls = confusion.map((row, c) => row[c]! / sizes[c]!);
  const images = sizes.reduce((sum, size) => sum + size, 0);
  const seen = recalls.filter((recall) => !Number.isNaN(recall));
  return {
    folds,
    top1: spread(folds.map(({ top1 }) => top1)),
    balancedAccuracy: spread(folds.map(({ balancedAccuracy }) => balancedAccuracy)),
    loss: spread(folds.map(({ loss }) => loss)),
    pooled: {
      images,
      top1: confusion.reduce((sum, row, c) => sum + row[c]!, 0) / images,
      balancedAccuracy: seen.reduce((sum, recall) => sum + recall, 0) / seen.length,
      perClass: classNames.map((name, c) => ({ name, recall: recalls[c]! })),
      confusion,
    },
  };
}

function spread(values: readonly number[]): Spread {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / (values.length - 1)) };
}
