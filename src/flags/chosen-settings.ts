import type { TrainingSets } from "../api/training-sets.js";
import type { AugmentationConfig, AugmentationPreset } from "../data/augmentation/config.js";
import { classCounts } from "../data/class-counts.js";
import type { Dataset } from "../data/dataset.js";
import type { Model } from "../nn/model.js";
import { type BalanceMode, balanceFor } from "../recipe/balance.js";
import { pictureFacts } from "../recipe/picture-facts.node.js";
import {
  augmentationFor,
  batchSizeFor,
  epochsFor,
  inputSizeFor,
  learningRateFor,
  netFor,
  type PictureFacts,
} from "../recipe/training-defaults.js";
import type { TrainFields } from "../recipe/training-setup.js";
import { type TuningSettings, tuningSettings } from "../recipe/tuning-defaults.js";
import { plural } from "../terminal/format.js";

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
  readonly validation?: number;
  readonly augmentation?: AugmentationPreset | AugmentationConfig;
  readonly balance?: BalanceMode;
}

/** Settings of a training, whoever decided them. */
export interface ChosenSettings {
  /** Net of the zoo. */
  readonly model: string;
  readonly inputSize: readonly [height: number, width: number];
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate: number;
  /** Undefined: by the input's size, as ever. */
  readonly augmentation?: AugmentationPreset;
  readonly balance: BalanceMode;
  /** What was chosen, why, and which options change it. */
  readonly sentence: string;
}

/**
 * Net, input size, batch, epochs and learning rate of a fresh net by the pictures, where they were not given.
 * @throws UserError where no picture can be read
 */
export async function chooseSettings(sets: TrainingSets, given: GivenSettings): Promise<ChosenSettings> {
  const facts = await pictureFacts(sets.train);
  const model = given.model ?? netFor(facts);
  const inputSize = given.size === undefined ? inputSizeFor(facts, model) : ([given.size, given.size] as const);
  const batchSize = given.batchSize ?? batchSizeFor(facts.pictures, given.accumulate);
  const epochs = given.epochs ?? epochsFor(facts.pictures, batchSize, false);
  const learningRate = given.learningRate ?? learningRateFor(batchSize, given.optimizer ?? "sgd");
  const varied = given.augmentation === undefined && augmentationFor(facts, inputSize);
  const chosen = [
    ...(given.model !== undefined ? [] : [`--model ${model}`]),
    ...(given.size !== undefined ? [] : [`--size ${[...new Set(inputSize)].join("×")}`]),
    ...(given.batchSize === undefined ? [`--batch-size ${batchSize}`] : []),
    ...(given.epochs === undefined ? [`--epochs ${epochs}`] : []),
    ...(given.learningRate === undefined ? [`--learning-rate ${learningRate}`] : []),
    ...(varied ? [`--augmentation ${varied}`] : []),
    ...chosenParts(sets, given),
    ...chosenBalance(sets.train, given),
  ];
  return {
    model,
    inputSize,
    epochs,
    batchSize,
    learningRate,
    balance: given.balance ?? balanceFor(classCounts(sets.train)),
    sentence: describe(facts, chosen),
  };
}

/**
 * How a net that was trained before is trained on the pictures, where it was not given.
 * @throws UserError where no picture can be read
 */
export async function chooseTuning(
  sets: TrainingSets,
  given: GivenSettings & Pick<TrainFields, Exclude<keyof TuningSettings, keyof GivenSettings> | "freeze">,
  { architecture, metadata }: Model,
): Promise<TuningSettings & Pick<ChosenSettings, "sentence" | "balance">> {
  const facts = await pictureFacts(sets.train);
  const { size } = given;
  const settings = tuningSettings(facts, architecture, size ? [size, size] : metadata.preprocessing.size, given);
  const chosen = Object.entries(settings).flatMap(([field, value]) =>
    given[field as keyof TuningSettings] === undefined ? [`${flagOf(field)} ${value}`] : [],
  );
  chosen.push(...chosenParts(sets, given), ...chosenBalance(sets.train, given));
  const balance = given.balance ?? balanceFor(classCounts(sets.train));
  return { ...settings, balance, sentence: describe(facts, chosen, ", weights trained before") };
}

/** Told where something is done that nobody asked for. */
function chosenBalance(train: Dataset, { balance }: GivenSettings): string[] {
  const chosen = balanceFor(classCounts(train));
  return balance === undefined && chosen !== "none" ? [`--balance ${chosen}`] : [];
}

/** How the pictures were divided, where it was not given. */
function chosenParts({ heldOut, validationPart }: TrainingSets, given: GivenSettings): string[] {
  return [
    ...(given.holdOut === undefined && heldOut !== undefined ? [`--hold-out ${heldOut}`] : []),
    ...(given.validation === undefined && validationPart !== undefined ? [`--validation ${validationPart}`] : []),
  ];
}

/** batchSize → --batch-size */
function flagOf(field: string): string {
  return `--${field.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

function describe({ pictures, width, height }: PictureFacts, chosen: readonly string[], what = ""): string {
  if (chosen.length === 0) return "";
  const why = `${plural(pictures, "picture")} of about ${width}×${height}${what}`;
  return `chosen for ${why}: ${chosen.join(" ")} (each can be given)`;
}
