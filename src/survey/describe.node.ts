import { createHash } from "node:crypto";
import { extremes } from "../core/statistics.js";
import type { Dataset, Image } from "../data/dataset.js";
import { pictureName } from "../data/picture-name.js";
import { readAll } from "../data/read-all.js";
import type { DatasetDescription, Lookalike, SplitsDescription } from "./description.js";
import { type Fingerprint, fingerprint } from "./fingerprint.js";
import { nearDuplicates } from "./near-duplicates.js";
import { surveyWarnings } from "./warnings.js";

/**
 * Reads every picture once: counts, sizes, broken files, and duplicates, within a set and from training to test: equal pixels by
 * a hash, looks by {@link nearDuplicates}.
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
  const sets = [{ dataset: train, ...first }, ...(test && second ? [{ dataset: test, ...second }] : [])];
  const [within, across] = findLookalikes(sets);
  const description = {
    train: { ...first.description, lookalikes: within[0]! },
    test: second && { ...second.description, lookalikes: within[1]! },
    leaked,
    leakedLookalikes: across,
  };
  return { ...description, warnings: surveyWarnings(description) };
}

/** Of the sets one after another: the pictures that look like an earlier one, by the most alike one, within each set and across. */
function findLookalikes(
  sets: readonly (Pick<Survey, "hashes" | "fingerprints"> & { readonly dataset: Dataset })[],
): [within: Lookalike[][], across: Lookalike[]] {
  const seen = new Set<string>();
  const places = sets.flatMap(({ dataset, hashes, fingerprints }, set) =>
    hashes.flatMap((hash, index) => {
      if (hash === undefined || seen.has(hash)) return [];
      seen.add(hash);
      return [{ set, index, dataset, label: dataset.label(index), fingerprint: fingerprints[index]! }];
    }),
  );
  const best = new Map<string, Lookalike & { readonly set: number; readonly from: number }>();
  for (const { first, second, likeness } of nearDuplicates(places)) {
    const [a, b] = [places[first]!, places[second]!];
    const key = `${second} ${a.set}`;
    if (likeness <= (best.get(key)?.likeness ?? 0)) continue;
    const names = { picture: pictureName(b.dataset, b.index), original: pictureName(a.dataset, a.index) };
    best.set(key, { index: b.index, of: a.index, ...names, likeness, set: b.set, from: a.set });
  }
  const found = [...best.values()].sort((a, b) => a.index - b.index);
  const plain = ({ set: _, from: __, ...lookalike }: (typeof found)[number]): Lookalike => lookalike;
  return [
    sets.map((_, set) => found.filter((entry) => entry.set === set && entry.from === set).map(plain)),
    found.filter((entry) => entry.from !== entry.set).map(plain),
  ];
}

interface Survey {
  readonly description: Omit<DatasetDescription, "lookalikes">;
  /** Of the pixels of picture i; undefined where it is broken. */
  readonly hashes: readonly (string | undefined)[];
  /** Of picture i; undefined where it is broken. */
  readonly fingerprints: readonly (Fingerprint | undefined)[];
}

async function survey(dataset: Dataset, onProgress: (done: number) => void): Promise<Survey> {
  const hashes = new Array<string | undefined>(dataset.length).fill(undefined);
  const fingerprints = new Array<Fingerprint | undefined>(dataset.length).fill(undefined);
  const sizes = new Map<string, { width: number; height: number; pictures: number }>();
  let animated = 0;
  const visit = (index: number, image: Image): void => {
    if (image.frames !== undefined) animated++;
    hashes[index] = pixelHash(image);
    fingerprints[index] = fingerprint(image);
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
  const [fewest, most] = extremes(counts);
  const description = {
    name: dataset.name,
    pictures,
    channels: dataset.channels,
    classes: dataset.classNames.map((name, label) => ({ name, pictures: counts[label]! })),
    imbalance: most / Math.max(1, fewest),
    sizes: [...sizes.values()].sort((a, b) => b.pictures - a.pictures || a.width - b.width || a.height - b.height),
    duplicates: pictures - labelsOf.size,
    contradictions: [...labelsOf.values()].filter((labels) => labels.size > 1).length,
    skipped,
    ignored: dataset.ignored ?? [],
    animated,
    notes: dataset.notes ?? [],
  };
  return { description, hashes, fingerprints };
}

/** Tells pictures of equal pixels. */
export function pixelHash(image: Image): string {
  const shape = `${image.width}x${image.height}x${image.channels}:`;
  return createHash("sha256").update(shape).update(image.data).digest("base64");
}
