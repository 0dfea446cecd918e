import {
  type AugmentationConfig,
  type AugmentationPreset,
  augmentationPreset,
  randomErasing,
} from "../data/augmentation/config.js";
import type { Dataset } from "../data/dataset.js";
import type { Model } from "../nn/model.js";
import { type TrainConfig, trainConfig } from "../train/config.js";
import { checkClasses } from "./classes.js";
import { datasetStatistics, type MakeLoader } from "./statistics.js";

/** What is trained and how, as callers say it: fields that differ from the defaults. */
export interface TrainFields extends Partial<Omit<TrainConfig, "augmentation">> {
  /** Default: "small-images" for nets whose input is below 128 pixels, else "imagenet". */
  readonly augmentation?: AugmentationPreset | AugmentationConfig;
  /** Probability of random erasing (Zhong et al. 2020, as in {@link randomErasing}), in place of the augmentation's own. */
  readonly erasing?: number;
}

/** @throws UserError naming the first field that is unknown or out of range. */
export function configFor(model: Model, { augmentation, erasing, ...fields }: TrainFields): TrainConfig {
  const { size } = model.metadata.preprocessing;
  const variation = augmentation ?? (Math.min(...size) < 128 ? "small-images" : "imagenet");
  const config = typeof variation === "string" ? augmentationPreset(variation, size) : variation;
  return trainConfig({
    ...fields,
    augmentation: erasing === undefined ? config : { ...config, erasing: randomErasing(erasing) },
  });
}

/** The model with where its weights come from. */
export function described(model: Model, set: Dataset, { seed }: TrainConfig, epochs: number): Model {
  const provenance = {
    ...model.metadata.provenance,
    trainedOn: `${set.name}, ${set.length} pictures, ${epochs} epochs`,
    trainingSeed: String(seed),
  };
  return { ...model, metadata: { ...model.metadata, provenance } };
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
  if (known.provenance["trainedOn"] !== undefined) return { ...model, metadata: { ...known, classNames } };
  const preprocessing = {
    ...model.metadata.preprocessing,
    ...(await datasetStatistics(set, model.metadata.preprocessing, makeLoader)),
  };
  return { ...model, metadata: { ...known, classNames, preprocessing } };
}
