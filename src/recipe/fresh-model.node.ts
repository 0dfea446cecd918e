import type { Dataset } from "../data/dataset.js";
import type { ArchitectureSpec } from "../nn/build-architecture.js";
import type { Model } from "../nn/model.js";
import { type RepvggOptions, repvgg } from "../nn/repvgg.js";
import { pictureFacts } from "./picture-facts.node.js";
import { inputSizeFor } from "./training-defaults.js";

/**
 * A fresh net for a data set: its classes and channels, and an input of a size that fits its pictures: their own where they are small
 * (up to 64 pixels), a square of 96 to 320 pixels, by the net and how many there are, for photographs.
 * @throws UserError for an unknown name or settings that do not fit.
 */
export async function freshModel(
  nameOrSpec: string | ArchitectureSpec,
  dataset: Dataset,
  options: RepvggOptions = {},
): Promise<Model> {
  const name = typeof nameOrSpec === "string" ? nameOrSpec : undefined;
  const inputSize = options.inputSize ?? inputSizeFor(await pictureFacts(dataset), name);
  return repvgg(nameOrSpec, {
    classNames: dataset.classNames,
    inputChannels: dataset.channels,
    ...options,
    inputSize,
  });
}
