import type { TrainAndTest } from "../api/datasets.node.js";
import { pictureFacts } from "../api/picture-facts.node.js";
import {
  augmentationFor,
  batchSizeFor,
  epochsFor,
  inputSizeFor,
  learningRateFor,
  netFor,
  type PictureFacts,
} from "../api/training-defaults.js";
import type { AugmentationPreset } from "../data/augmentation/config.js";
import { plural } from "./format.js";

/** What was given on the command line of the settings that the data can decide. */
export interface GivenSettings {
  readonly model?: string;
  readonly size?: number;
  readonly epochs?: number;
  readonly batchSize?: number;
  readonly accumulate?: number;
  readonly optimizer?: "sgd" | "adamw";
  readonly learningRate?: number;
  readonly holdOut?: number;
  readonly augmentation?: unknown;
}

/** Settings of a training, whoever decided them. */
export interface ChosenSettings {
  /** Net of the zoo; undefined where one is gone on with. */
  readonly model?: string;
  readonly inputSize?: readonly [height: number, width: number];
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate: number;
  /** Undefined: by the input's size, as ever. */
  readonly augmentation?: AugmentationPreset;
  /** What was chosen, why, and which options change it. */
  readonly sentence: string;
}

/**
 * Net, input size, batch, epochs and learning rate by the pictures, where they were not given.
 * @param tuned weights that were trained before are gone on with: net and size are theirs
 * @throws UserError where no picture can be read
 */
export async function chooseSettings(
  { train, heldOut }: Pick<TrainAndTest, "train" | "heldOut">,
  given: GivenSettings,
  tuned: boolean,
): Promise<ChosenSettings> {
  const facts = await pictureFacts(train);
  const model = given.model ?? netFor(facts);
  const inputSize = given.size === undefined ? inputSizeFor(facts, model) : ([given.size, given.size] as const);
  const batchSize = given.batchSize ?? batchSizeFor(facts.pictures, given.accumulate);
  const epochs = given.epochs ?? epochsFor(facts.pictures, batchSize, tuned);
  const learningRate = given.learningRate ?? learningRateFor(batchSize, given.optimizer ?? "sgd", tuned);
  const varied = given.augmentation === undefined && !tuned && augmentationFor(facts, inputSize);
  const chosen = [
    ...(tuned || given.model !== undefined ? [] : [`--model ${model}`]),
    ...(tuned || given.size !== undefined ? [] : [`--size ${[...new Set(inputSize)].join("×")}`]),
    ...(given.batchSize === undefined ? [`--batch-size ${batchSize}`] : []),
    ...(given.epochs === undefined ? [`--epochs ${epochs}`] : []),
    ...(given.learningRate === undefined ? [`--learning-rate ${learningRate}`] : []),
    ...(varied ? [`--augmentation ${varied}`] : []),
    ...(given.holdOut === undefined && heldOut !== undefined ? [`--hold-out ${heldOut}`] : []),
  ];
  return {
    ...(!tuned && { model, inputSize }),
    epochs,
    batchSize,
    learningRate,
    sentence: describe(facts, chosen, tuned),
  };
}

function describe({ pictures, width, height }: PictureFacts, chosen: readonly string[], tuned: boolean): string {
  if (chosen.length === 0) return "";
  const why = `${plural(pictures, "picture")} of about ${width}×${height}${tuned ? ", weights trained before" : ""}`;
  return `chosen for ${why}: ${chosen.join(" ")} (each can be given)`;
}
