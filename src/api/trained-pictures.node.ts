import { createHash } from "node:crypto";
import type { Dataset } from "../data/dataset.js";
import type { Model } from "../nn/model.js";
import type { TrainingSets } from "./training-sets.js";

/**
 * The net with what tells later which pictures it was trained on: a hash of the names of all files, and how a part of them was held
 * out. No path and no name of a file can be read off it.
 */
export function withTrainedPictures(model: Model, { train, validation, test, origin }: TrainingSets): Model {
  const { trainedPictures: _, heldOut: __, heldOutSeed: ___, ...earlier } = model.metadata.provenance;
  const listing = fileListing(train, ...(validation ? [validation] : []), ...(test ? [test] : []));
  const held = origin && test && isPart(test, train);
  const provenance = {
    ...earlier,
    ...(listing !== undefined && { trainedPictures: listing }),
    ...(listing !== undefined && held && { heldOut: String(origin.holdOut), heldOutSeed: String(origin.seed) }),
  };
  return { ...model, metadata: { ...model.metadata, provenance } };
}

/** What a net says of pictures. */
export type KnownPictures =
  | { readonly are: "unknown" }
  | { readonly are: "held out in part"; readonly part: number; readonly seed: number }
  /** In a sentence's end. */
  | { readonly are: "trained on"; readonly why: string };

/** Whether a net was trained on pictures of a data set, by what {@link withTrainedPictures} wrote; older nets say only a name. */
export function knownPictures(provenance: Readonly<Record<string, string>>, dataset: Dataset): KnownPictures {
  const { trainedOn, trainedPictures, heldOut, heldOutSeed } = provenance;
  if (trainedOn === undefined) return { are: "unknown" };
  if (trainedPictures !== undefined && trainedPictures === fileListing(dataset)) {
    const [part, seed] = [Number(heldOut), Number(heldOutSeed)];
    const told = part > 0 && part < 1 && Number.isSafeInteger(seed);
    return told ? { are: "held out in part", part, seed } : { are: "trained on", why: "all were trained on" };
  }
  const name = trainedOn.replace(/, \d+ pictures.*$/, "");
  if (name !== dataset.name && name !== `${dataset.name}/train`) return { are: "unknown" };
  const why =
    trainedPictures === undefined
      ? `the net was trained on "${trainedOn}", and does not say which those are`
      : `the net was trained on "${trainedOn}", and the files are others since`;
  return { are: "trained on", why };
}

/** Whether one set holds files of the same folder (and of the same split of a list) as another. */
function isPart(test: Dataset, train: Dataset): boolean {
  const [own, whole] = [test.source, train.source];
  return own?.kind === "folder" && whole?.kind === "folder" && own.path === whole.path && own.split === whole.split;
}

/** A hash of classes and files of a set and of the others that are parts of the same folder; undefined for sets that are no folder. */
function fileListing(train: Dataset, ...others: readonly Dataset[]): string | undefined {
  if (train.source?.kind !== "folder") return undefined;
  const files = new Set(train.source.files);
  for (const other of others) {
    if (isPart(other, train) && other.source?.kind === "folder") for (const file of other.source.files) files.add(file);
  }
  const hash = createHash("sha256").update(JSON.stringify(train.source.classNames));
  for (const file of [...files].sort()) hash.update(`\n${file.replaceAll("\\", "/")}`);
  return hash.digest("hex").slice(0, 32);
}
