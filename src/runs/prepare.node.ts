import type { TrainingSets } from "../api/training-sets.js";
import { classCounts } from "../data/class-counts.js";
import { createLoader } from "../data/loader.node.js";
import type { Model } from "../nn/model.js";
import { balanceFor } from "../recipe/balance.js";
import { batchFor, checkForm, configFor, fitToData, type TrainFields } from "../recipe/training-setup.js";
import type { TrainConfig } from "../train/config.js";
import { type PreparedStart, prepareStart, type ReadStart, readStart, type TrainFrom } from "./start-from.node.js";

/** A net as it was given, and what is asked for. */
export interface AskedTraining {
  readonly start: Model | ReadStart;
  /** With the defaults that do not depend on the pictures. */
  readonly asked: TrainConfig;
}

/** Reads the net. @throws UserError for what cannot be trained, and fields that are unknown, out of range or do not fit it */
export async function readTraining(start: Model | TrainFrom, fields: TrainFields): Promise<AskedTraining> {
  if ("from" in start) {
    const read = await readStart(start);
    return { start: read, asked: configFor(read.model, fields) };
  }
  checkForm(start);
  return { start, asked: configFor(start, fields) };
}

/**
 * The net ready to be trained on these pictures, and the settings that they decide: of a net that was trained before see `prepareStart`; a
 * fresh one gets the pictures' classes and statistics.
 */
export async function prepareTraining(
  { start, asked }: AskedTraining,
  sets: TrainingSets,
  given: TrainFields,
): Promise<PreparedStart> {
  const balanced = { ...given, balance: given.balance ?? balanceFor(classCounts(sets.train)) };
  if (!("metadata" in start)) return prepareStart(start, sets, balanced);
  const model = await fitToData(start, sets.train, createLoader);
  const fields = { ...balanced, batchSize: given.batchSize ?? batchFor(sets.train.length, asked) };
  return { model, fields, remarks: [], complete: async () => ({ model, fields, remarks: [] }) };
}
