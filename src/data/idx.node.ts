import { FormatError } from "../core/errors.js";
import { readMaybeGzip } from "./binary-file.node.js";
import type { DatasetSource } from "./dataset.js";
import { idxHeaderBytes, parseIdxHeader, parseIdxImages, parseIdxLabels } from "./idx.js";
import { type MemoryDataset, memoryDataset, sharedBytes } from "./memory-dataset.js";

/**
 * Opens a pair of idx files (plain or gzip): grey pictures and their labels.
 * @throws FormatError where they are not such files or their counts differ; UserError where they cannot be read
 */
export async function openIdx(source: DatasetSource & { kind: "idx" }, name: string): Promise<MemoryDataset> {
  const { count, height, width, pixels } = parseIdxImages(await readIdx(source.images, 3), source.images);
  const labels = parseIdxLabels(await readIdx(source.labels, 1), source.classNames.length, source.labels);
  if (labels.length !== count) {
    throw new FormatError({
      expected: `as many labels as pictures (${count})`,
      received: `${source.labels}: ${labels.length}`,
      remedy: "take both files from the same release",
    });
  }
  const shared = sharedBytes(pixels.length);
  shared.set(pixels);
  return memoryDataset({
    name,
    classNames: source.classNames,
    channels: 1,
    height,
    width,
    pixels: shared,
    labels,
    source,
  });
}

function readIdx(path: string, rank: number): Promise<Uint8Array> {
  const header = idxHeaderBytes(rank);
  return readMaybeGzip(
    path,
    `an idx file of ${rank === 3 ? "pictures" : "labels"}`,
    header,
    (bytes) => parseIdxHeader(bytes, rank, path).reduce((product, size) => product * size, 1) + header,
  );
}
