import type { IgnoredFiles, SkippedFile } from "../data/dataset.js";

/** What is in a data set; plain JSON. */
export interface DatasetDescription {
  /** Of the data set: "fashion-mnist/train". */
  readonly name: string;
  /** That can be read. */
  readonly pictures: number;
  /** That most pictures need: 1 grey, 3 RGB. */
  readonly channels: 1 | 3;
  /** In the order of the labels, with their numbers of pictures. */
  readonly classes: readonly { readonly name: string; readonly pictures: number }[];
  /** Pictures of the largest class / of the smallest. */
  readonly imbalance: number;
  /** Sizes, the commonest first. */
  readonly sizes: readonly { readonly width: number; readonly height: number; readonly pictures: number }[];
  /** Pictures whose pixels another of the set has too (each beyond the first). */
  readonly duplicates: number;
  /** Groups of equal pixels with more than one label. */
  readonly contradictions: number;
  /** Pictures that look the same as an earlier one of the set, whose pixels are others. */
  readonly lookalikes: readonly Lookalike[];
  /** Files that could not be read, with the reasons. */
  readonly skipped: readonly SkippedFile[];
  /** What else lies in the folder and is not looked at, by kind. */
  readonly ignored: readonly IgnoredFiles[];
  /** Files with several frames (animations, pages): the first is taken. */
  readonly animated: number;
  /** How it was read where that had to be found out, in sentences: which columns of a list say what. */
  readonly notes: readonly string[];
}

/** A picture that is another but for compression, size, brightness or contrast (nearDuplicates). */
export interface Lookalike {
  /** In the data set. */
  readonly index: number;
  /** Its file, or its index with "#". */
  readonly picture: string;
  /** Index of the other. */
  readonly of: number;
  /** The other's file, or its index with "#". */
  readonly original: string;
  /** Correlation of the two. */
  readonly likeness: number;
}

/** Two splits, and the pictures of the second that the first has too. */
export interface SplitsDescription {
  /** The training split, or all there is. */
  readonly train: DatasetDescription;
  /** The test split, where there is one. */
  readonly test: DatasetDescription | undefined;
  /** Indices in the test set of pictures whose pixels the training set has. */
  readonly leaked: readonly number[];
  /** Others of the test set that look the same as one of the training set. */
  readonly leakedLookalikes: readonly Lookalike[];
  /** What of it matters. */
  readonly warnings: readonly DataWarning[];
}

/** What can be wrong with a data set, by name; `leak`: test pictures that the training set has too. */
export type DataProblem = "unbalanced" | "broken" | "ignored" | "contradictions" | "leak" | "lookalike-leak";

/** Something about a data set that spoils training or makes its result look better than it is. Plain data. */
export interface DataWarning {
  /** What kind it is. */
  readonly problem: DataProblem;
  /** What was seen, with numbers. */
  readonly message: string;
  /** What it does, or what to do about it. */
  readonly remedy: string;
}
