import { checkStatistics } from "../analysis/diagnosis/statistics.js";
import { UserError } from "../core/errors.js";
import {
  type AugmentationConfig,
  type AugmentationPreset,
  augmentationPreset,
  randomErasing,
} from "../data/augmentation/config.js";
import type { Dataset } from "../data/dataset.js";
import type { Model } from "../nn/model.js";
import { type TrainConfig, trainConfig } from "../train/config.js";
import { freezingOf, keepsStatistics } from "../train/freezing.js";
import { checkClasses } from "./classes.js";
import { datasetStatistics, type MakeLoader } from "./statistics.js";
import { batchSizeFor, randomCropsFrom } from "./training-defaults.js";

/** What is trained and how, as callers say it: fields that differ from the defaults. */
export interface TrainFields extends Partial<Omit<TrainConfig, "augmentation">> {
  /** Default: "small-images" for nets whose input is below 128 pixels, else "imagenet". */
  readonly augmentation?: AugmentationPreset | AugmentationConfig;
  /** Probability of random erasing (Zhong et al. 2020), in place of the augmentation's own. */
  readonly erasing?: number;
}

/** @throws UserError naming the first field that is unknown or out of range. */
export function configFor(model: Model, { augmentation, erasing, ...fields }: TrainFields): TrainConfig {
  const { size } = model.metadata.preprocessing;
  const variation = augmentation ?? (Math.min(...size) < randomCropsFrom ? "small-images" : "imagenet");
  const config = typeof variation === "string" ? augmentationPreset(variation, size) : variation;
  const whole = trainConfig({
    ...fields,
    augmentation: erasing === undefined ? config : { ...config, erasing: randomErasing(erasing) },
  });
  freezingOf(model.architecture, whole); // throws where the net has fewer stages
  return whole;
}

/** The model with where its weights come from. */
export function described(model: Model, set: Dataset, config: TrainConfig, epochs: number): Model {
  // Statistics that move with every step are those of no recalibration any more.
  const { recalibratedOn, ...before } = model.metadata.provenance;
  const kept = recalibratedOn !== undefined && keepsStatistics(model.architecture, config);
  const provenance = {
    ...before,
    ...(kept && { recalibratedOn }),
    trainedOn: `${set.name}, ${set.length} pictures, ${epochs} epochs`,
    trainingSeed: String(config.seed),
  };
  return { ...model, metadata: { ...model.metadata, provenance } };
}

/**
 * Whether a net in training form is fresh: nothing says what it was trained on, and no BatchNorm has ever seen a picture. A checkpoint of
 * others says nothing either, but its statistics show that it was trained.
 */
export function isUntrained(model: Model): boolean {
  if (model.form !== "train" || model.metadata.provenance["trainedOn"] !== undefined) return false;
  const never = checkStatistics(model).filter(({ problem }) => problem === "never-updated");
  return never.length === [...model.state.keys()].filter((name) => name.endsWith(".running_var")).length;
}

/**
 * The model with the class names of a data set; one that was never trained takes the set's pixel statistics too.
 * @throws UserError when the data set has other classes.
 */
export async function fitToData(model: Model, set: Dataset, makeLoader: MakeLoader): Promise<Model> {
  checkClasses(model, set);
  const classNames = set.classNames;
  // What was assumed is true of the net that is trained so.
  const { assumed: _, ...known } = model.metadata;
  if (!isUntrained(model)) return { ...model, metadata: { ...known, classNames } };
  const preprocessing = {
    ...model.metadata.preprocessing,
    ...(await datasetStatistics(set, model.metadata.preprocessing, makeLoader)),
  };
  return { ...model, metadata: { ...known, classNames, preprocessing } };
}

/** The batch that was not asked for: the default, or a smaller one where there are too few pictures for it. */
export function batchFor(pictures: number, { batchSize, accumulate }: TrainConfig): number {
  return pictures < batchSize ? batchSizeFor(pictures, accumulate) : batchSize;
}

/** @throws UserError for the plain form */
export function checkForm({ form }: Model): void {
  if (form === "train") return;
  throw new UserError({
    expected: "a net in training form, with its branches",
    received: "the plain form: without BatchNorm its training diverges",
    remedy:
      "give its branches back (--from in the command, train({ from: model }, …) in the library), or begin with the file from before folding (a run's model.safetensors)",
  });
}
