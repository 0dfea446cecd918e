import type { Dataset } from "../data/dataset.js";
import type { ArchitectureSpec } from "../nn/build-architecture.js";
import type { Model } from "../nn/model.js";
import { type RepvggOptions, repvgg } from "../nn/repvgg.js";

/** Pictures up to this side are taken as they are; larger ones are resized to the net's own input size. */
const smallPicture = 64;

/**
 * A fresh net for a data set: its classes and channels and, for small pictures, their size.
 * @throws UserError for an unknown name or settings that do not fit.
 */
export async function freshModel(
  nameOrSpec: string | ArchitectureSpec,
  dataset: Dataset,
  options: RepvggOptions = {},
): Promise<Model> {
  const { width, height } = await dataset.read(0);
  const inputSize = Math.max(width, height) <= smallPicture ? { inputSize: [height, width] as const } : {};
  return repvgg(nameOrSpec, {
    classNames: dataset.classNames,
    inputChannels: dataset.channels,
    ...inputSize,
    ...options,
  });
}
