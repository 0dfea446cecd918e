import type { Dataset } from "./dataset.js";
import { decodeIntoMemory } from "./memory-dataset.js";

/** Memory that decoded pictures may take: a set of 32×32 pixels may have 170,000. */
const defaultBytes = 2 ** 29;

/** Pictures that are decoded to judge a set's size. */
const sampled = 32;

/**
 * The data set, decoded once where its pictures are files and small enough, so that epochs cost no decoding. Pictures keep their
 * indices: a set in which one is broken stays as it is.
 * @param options.maxBytes memory that the pictures may take; default 512 MiB
 * @param options.onProgress told now and then of the pictures read
 * @throws BrokenImageError for a broken picture of a strict set that is small enough
 */
export async function inMemoryIfSmall(
  dataset: Dataset,
  options: { maxBytes?: number; signal?: AbortSignal; onProgress?: (done: number, total: number) => void } = {},
): Promise<Dataset> {
  const { maxBytes = defaultBytes, ...others } = options;
  if (dataset.source?.kind !== "folder" || (await estimatedBytes(dataset)) > maxBytes) return dataset;
  const decoded = await decodeIntoMemory(dataset, { maxBytes, ...others });
  return decoded?.length === dataset.length ? decoded : dataset;
}

/** By a sample, evenly spread; broken pictures count nothing. */
async function estimatedBytes(dataset: Dataset): Promise<number> {
  const count = Math.min(sampled, dataset.length);
  const indices = Array.from({ length: count }, (_, i) => Math.floor((i * dataset.length) / count));
  const read = async (index: number): Promise<number> => (await dataset.read(index)).data.length;
  const sizes = await Promise.all(indices.map((index) => read(index).catch(() => 0)));
  return (sizes.reduce((sum, size) => sum + size, 0) / count) * dataset.length;
}

/** The data set, decoded once where its pictures take at most a GiB; else as it is. Broken pictures of a lenient folder are left out. */
export async function inMemoryIfItFits(dataset: Dataset): Promise<Dataset> {
  return (await decodeIntoMemory(dataset)) ?? dataset;
}
