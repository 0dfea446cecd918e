import { UserError } from "../core/errors.js";
import { BrokenImageError } from "../data/broken-image.js";
import type { Dataset, Image } from "../data/dataset.js";
import { isLenient } from "../data/read-all.js";
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
  const { width, height } = await firstReadable(dataset);
  const inputSize = Math.max(width, height) <= smallPicture ? { inputSize: [height, width] as const } : {};
  return repvgg(nameOrSpec, {
    classNames: dataset.classNames,
    inputChannels: dataset.channels,
    ...inputSize,
    ...options,
  });
}

async function firstReadable(dataset: Dataset): Promise<Image> {
  for (let index = 0; index < dataset.length; index++) {
    try {
      return await dataset.read(index);
    } catch (error) {
      if (!(error instanceof BrokenImageError) || !isLenient(dataset)) throw error;
    }
  }
  throw new UserError({ expected: `a readable picture in ${dataset.name}`, received: "only broken ones" });
}
