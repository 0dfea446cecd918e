import { createHash } from "node:crypto";
import type { Dataset, Image, SkippedFile } from "./dataset.js";
import { readAll } from "./read-all.js";

/** What is in a data set; plain JSON. */
export interface DatasetDescription {
  readonly name: string;
  readonly pictures: number;
  readonly channels: 1 | 3;
  readonly classes: readonly { readonly name: string; readonly pictures: number }[];
  /** Pictures of the largest class / of the smallest. */
  readonly imbalance: number;
  /** Sizes, the commonest first. */
  readonly sizes: readonly { readonly width: number; readonly height: number; readonly pictures: number }[];
  /** Pictures whose pixels another of the set has too (each beyond the first). */
  readonly duplicates: number;
  /** Groups of equal pixels with more than one label. */
  readonly contradictions: number;
  readonly skipped: readonly SkippedFile[];
}

/** Two splits, and the pictures of the second whose pixels the first has too. */
export interface SplitsDescription {
  readonly train: DatasetDescription;
  readonly test: DatasetDescription | undefined;
  /** Indices in the test set. */
  readonly leaked: readonly number[];
}

/**
 * Reads every picture once: counts, sizes, broken files, and duplicates by a hash of the pixels, within a set and from
 * training to test.
 * @param options.onProgress told of the pictures read, of both sets together
 * @throws BrokenImageError for a broken picture of a strict set
 */
export async function describeDataset(
  train: Dataset,
  test?: Dataset,
  options: { onProgress?: (done: number, total: number) => void } = {},
): Promise<SplitsDescription> {
  const total = train.length + (test?.length ?? 0);
  const first = await survey(train, (done) => options.onProgress?.(done, total));
  const second = test && (await survey(test, (done) => options.onProgress?.(train.length + done, total)));
  const known = new Set(first.hashes);
  const leaked = second?.hashes.flatMap((hash, index) => (hash !== undefined && known.has(hash) ? [index] : [])) ?? [];
  return { train: first.description, test: second?.description, leaked };
}

interface Survey {
  readonly description: DatasetDescription;
  /** Of picture i; undefined where it is broken. */
  readonly hashes: readonly (string | undefined)[];
}

async function survey(dataset: Dataset, onProgress: (done: number) => void): Promise<Survey> {
  const hashes = new Array<string | undefined>(dataset.length).fill(undefined);
  const sizes = new Map<string, { width: number; height: number; pictures: number }>();
  const visit = (index: number, image: Image): void => {
    hashes[index] = pixelHash(image);
    const key = `${image.width}x${image.height}`;
    const size = sizes.get(key) ?? { width: image.width, height: image.height, pictures: 0 };
    size.pictures++;
    sizes.set(key, size);
  };
  const skipped = await readAll(dataset, visit, onProgress);

  const counts = dataset.classNames.map(() => 0);
  const labelsOf = new Map<string, Set<number>>();
  let pictures = 0;
  hashes.forEach((hash, index) => {
    if (hash === undefined) return;
    pictures++;
    const label = dataset.label(index);
    counts[label]!++;
    labelsOf.set(hash, (labelsOf.get(hash) ?? new Set()).add(label));
  });
  const description: DatasetDescription = {
    name: dataset.name,
    pictures,
    channels: dataset.channels,
    classes: dataset.classNames.map((name, label) => ({ name, pictures: counts[label]! })),
    imbalance: Math.max(...counts) / Math.max(1, Math.min(...counts)),
    sizes: [...sizes.values()].sort((a, b) => b.pictures - a.pictures || a.width - b.width || a.height - b.height),
    duplicates: pictures - labelsOf.size,
    contradictions: [...labelsOf.values()].filter((labels) => labels.size > 1).length,
    skipped,
  };
  return { description, hashes };
}

function pixelHash(image: Image): string {
  const shape = `${image.width}x${image.height}x${image.channels}:`;
  return createHash("sha256").update(shape).update(image.data).digest("base64");
}
