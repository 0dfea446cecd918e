import { BrokenImageError } from "./broken-image.js";
import type { Dataset, Image, SkippedFile } from "./dataset.js";

/** Pictures that are decoded side by side. */
const concurrency = 8;

/** Whether broken pictures are left out rather than errors. */
export function isLenient(dataset: Dataset): boolean {
  return dataset.source?.kind === "folder" && !dataset.source.strict;
}

/**
 * Reads every picture once, in no certain order.
 * @param visit gets each picture that can be read; `false` ends the reading
 * @param onProgress told now and then of the pictures begun, and at the end
 * @returns the files that are left out: those found when the set was opened, and the broken ones, sorted
 * @throws BrokenImageError for a broken picture of a set that is not lenient
 */
export async function readAll(
  dataset: Dataset,
  visit: (index: number, image: Image) => unknown,
  onProgress?: (done: number) => void,
): Promise<SkippedFile[]> {
  const skipped = [...dataset.skipped];
  let next = 0;
  const reader = async (): Promise<void> => {
    while (next < dataset.length) {
      const index = next++;
      if (index % 256 === 0) onProgress?.(index);
      try {
        if (visit(index, await dataset.read(index)) === false) next = dataset.length;
      } catch (error) {
        if (!(error instanceof BrokenImageError) || !isLenient(dataset)) {
          next = dataset.length; // the other readers stop too
          throw error;
        }
        skipped.push({ file: error.file, reason: error.reason });
      }
    }
  };
  await Promise.all(Array.from({ length: concurrency }, reader));
  onProgress?.(dataset.length);
  return skipped.sort((a, b) => (a.file < b.file ? -1 : 1));
}
