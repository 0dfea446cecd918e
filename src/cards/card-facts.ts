import type { Model } from "../nn/model.js";

/** What a card says of a net. */
export interface CardFacts {
  /** What the net is called: "photos-nano". */
  readonly name: string;
  readonly model: Model;
  /** As the hub names it. Left out: the card asks for one. */
  readonly license?: string;
  readonly training?: CardTraining;
  readonly results?: CardResults;
}

/** How the net was trained. */
export interface CardTraining {
  /** The command line that did it; undefined where a program did. */
  readonly command?: string;
  /** "photos/train" */
  readonly dataset: string;
  /** Of the hub, where it is known there: "zalando-datasets/fashion_mnist". */
  readonly datasetId?: string;
  /** Pictures to train on. */
  readonly pictures: number;
  /** Settings by their names, in the order in which they are told. */
  readonly settings: Readonly<Record<string, unknown>>;
}

/**
 * What was measured, and on what: `test` is a split that had no part in training, `held-out` a part of each class of the data that was kept
 * aside; both were looked at once. `validation` are pictures that judged the epochs of the training: their figures are a little too good.
 */
export interface CardResults {
  readonly pictures: "test" | "held-out" | "validation";
  readonly dataset: string;
  readonly datasetId?: string;
  readonly images: number;
  /** Shares in [0, 1]. */
  readonly top1: number;
  readonly top5: number;
  /** Mean recall of the classes, where their numbers of pictures are so different that it is a figure of its own. */
  readonly balancedAccuracy?: number;
  readonly loss: number;
  readonly perClass: readonly { readonly name: string; readonly recall: number }[];
  /** Sentences: what spoils the figures. */
  readonly warnings: readonly string[];
}

/** What the pictures are called, so that nobody takes one for another. */
export const splitNames = {
  test: "test split",
  "held-out": "part of the data that was held out",
  validation: "validation pictures",
} as const satisfies Record<CardResults["pictures"], string>;

/** In the place of the name on the hub, which is not known before the net is there: `push` puts it in. */
export const nameOnHub = "OWNER/NAME";
