import { UserError } from "../core/errors.js";
import type { Preprocessing } from "../core/preprocessing.js";
import type { Model } from "../nn/model.js";
import { isPreprocessing } from "../nn/model-file.js";

/**
 * The model with some of its preprocessing changed.
 * @throws UserError for what cannot be: other channels than the net reads, sizes that are none, a mean of another length.
 */
export function withPreprocessing(model: Model, changes: Partial<Preprocessing>): Model {
  const preprocessing = { ...model.metadata.preprocessing, ...changes };
  if (!isPreprocessing(model.architecture)(preprocessing)) {
    throw new UserError({
      expected: `preprocessing for ${model.architecture.inputChannels} channels: sizes from 1 to 16384, mean and std one a channel, a crop ratio in (0, 1]`,
      received: JSON.stringify(changes),
    });
  }
  return { ...model, metadata: { ...model.metadata, preprocessing } };
}
