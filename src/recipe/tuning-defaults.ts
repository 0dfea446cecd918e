import type { AugmentationConfig, AugmentationPreset } from "../data/augmentation/config.js";
import type { Architecture } from "../nn/architecture.js";
import { blockLayouts } from "../nn/layout.js";
import type { TrainConfig } from "../train/config.js";
import { augmentationFor, batchSizeFor, epochsFor, learningRateFor, type PictureFacts } from "./training-defaults.js";
import type { TrainFields } from "./training-setup.js";

/** What a fine-tuning is given by default. */
export interface TuningSettings
  extends Pick<TrainConfig, "epochs" | "batchSize" | "backboneRate" | "layerDecay" | "batchNorm"> {
  /** Undefined: {@link headRateFor} of the features, which somebody has to look at first. */
  readonly learningRate?: number;
  readonly augmentation?: AugmentationPreset | AugmentationConfig;
}

/** Steps of a head alone on features that are kept: they cost next to nothing. */
const headSteps = 3_000;

/** Each epoch tests and saves the net, however few its steps. */
const mostEpochs = 100;

/** Stage 0 learns at this part of the last block's rate, whatever the net's depth. */
const firstLayerShare = 0.3;

/** The last block's rate as a part of the head's. */
const backboneRate = 0.1;

/** Fewer pictures than this give BatchNorm statistics that are worse than those of the net's own training. */
const picturesForLiveNorms = 1_000;

/**
 * How a net that was trained before is trained on other pictures, by their number, the net's depth and what is frozen; chosen on held-out
 * training pictures by `bench/transfer.mjs --validate`. What is given stands.
 */
export function tuningSettings(
  facts: PictureFacts,
  architecture: Architecture,
  size: readonly [height: number, width: number],
  given: TrainFields,
): TuningSettings {
  const { pictures } = facts;
  const { optimizer = "sgd" } = given;
  const headOnly = given.freeze === "all-but-head";
  const batchSize = given.batchSize ?? batchSizeFor(pictures, given.accumulate);
  const steps = Math.max(1, Math.floor(pictures / batchSize));
  const varied = headOnly ? ("none" as const) : augmentationFor(facts, size);
  const augmentation = given.augmentation ?? varied;
  const byFeatures = headOnly && optimizer === "sgd";
  const learningRate = given.learningRate ?? (byFeatures ? undefined : learningRateFor(batchSize, optimizer));
  return {
    batchSize,
    epochs:
      given.epochs ??
      (headOnly ? Math.min(mostEpochs, Math.ceil(headSteps / steps)) : epochsFor(pictures, batchSize, true)),
    backboneRate: given.backboneRate ?? backboneRate,
    layerDecay: given.layerDecay ?? Number((firstLayerShare ** (1 / blockLayouts(architecture).length)).toFixed(3)),
    batchNorm: given.batchNorm ?? (pictures < picturesForLiveNorms ? "frozen" : "live"),
    ...(learningRate !== undefined && { learningRate }),
    ...(augmentation !== undefined && { augmentation }),
  };
}

/**
 * SGD's learning rate of a head on a frozen backbone, by the size of its features: 2 / (1 + mean |x|²). The Hessian of the cross-entropy is
 * at most ½ E[x xᵀ] with the bias as a feature of 1 (Böhning 1992), so that rate · curvature is at most 1 in every direction, where momentum 0.9
 * is stable below 3.8, and features of any scale are learned equally fast.
 * @param features [pictures][features] of some pictures
 */
export function headRateFor(features: Float32Array, pictures: number): number {
  let squares = 0;
  for (const value of features) squares += value * value;
  return Number((2 / (1 + squares / pictures)).toPrecision(2));
}
