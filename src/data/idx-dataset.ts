import { FormatError } from "../core/errors.js";
import type { DatasetSource } from "./dataset.js";
import { parseIdxImages, parseIdxLabels } from "./idx.js";
import { type MemoryDataset, memoryDataset, sharedBytes } from "./memory-dataset.js";

/** The bytes of an idx file, and how errors call it. */
export interface IdxFile {
  readonly bytes: Uint8Array;
  readonly name: string;
}

/**
 * Grey pictures and their labels out of a pair of unpacked idx files.
 * @throws FormatError where they are not such files or their counts differ
 */
export function idxDataset(
  images: IdxFile,
  labels: IdxFile,
  classNames: readonly string[],
  name: string,
  source?: DatasetSource,
): MemoryDataset {
  const { count, height, width, pixels } = parseIdxImages(images.bytes, images.name);
  const classes = parseIdxLabels(labels.bytes, classNames.length, labels.name);
  if (classes.length !== count) {
    throw new FormatError({
      expected: `as many labels as pictures (${count})`,
      received: `${labels.name}: ${classes.length}`,
      remedy: "take both files from the same release",
    });
  }
  const shared = sharedBytes(pixels.length);
  shared.set(pixels);
  const options = { name, classNames, channels: 1 as const, height, width, pixels: shared, labels: classes };
  return memoryDataset({ ...options, ...(source && { source }) });
}
