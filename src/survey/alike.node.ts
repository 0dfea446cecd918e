import type { Dataset, Image, SkippedFile } from "../data/dataset.js";
import { readAll } from "../data/read-all.js";
import { pixelHash } from "./describe.node.js";
import { type Fingerprint, fingerprint } from "./fingerprint.js";
import { nearDuplicates } from "./near-duplicates.js";

/** What reading every picture of a set showed. */
export interface Alike {
  /** Indices of the pictures that can be read, ascending. */
  readonly readable: readonly number[];
  /** Several pictures each that are equal, or look the same by {@link nearDuplicates}, directly or by way of others. */
  readonly groups: readonly (readonly number[])[];
  /** Pictures whose pixels an earlier one has. */
  readonly equal: number;
  readonly skipped: readonly SkippedFile[];
}

/**
 * Reads every picture once and finds those that belong together.
 * @throws BrokenImageError for a broken picture of a strict set; the signal's reason
 */
export async function findAlike(
  dataset: Dataset,
  options: { readonly onProgress?: (done: number, total: number) => void; readonly signal?: AbortSignal } = {},
): Promise<Alike> {
  const { onProgress, signal } = options;
  const hashes = new Array<string | undefined>(dataset.length).fill(undefined);
  const looks = new Array<Fingerprint | undefined>(dataset.length).fill(undefined);
  const visit = (index: number, image: Image): void => {
    signal?.throwIfAborted();
    hashes[index] = pixelHash(image);
    looks[index] = fingerprint(image);
  };
  const skipped = await readAll(dataset, visit, (done) => onProgress?.(done, dataset.length));
  const readable = hashes.flatMap((hash, index) => (hash === undefined ? [] : [index]));

  const leader = Int32Array.from({ length: dataset.length }, (_, i) => i);
  const find = (index: number): number => {
    let root = index;
    while (leader[root] !== root) root = leader[root] = leader[leader[root]!]!;
    return root;
  };
  const join = (a: number, b: number): void => {
    const [first, second] = [find(a), find(b)];
    leader[Math.max(first, second)] = Math.min(first, second);
  };
  const firstOf = new Map<string, number>();
  for (const index of readable) {
    const first = firstOf.get(hashes[index]!);
    if (first === undefined) firstOf.set(hashes[index]!, index);
    else join(first, index);
  }
  const different = [...firstOf.values()];
  const candidates = different.map((index) => ({ label: dataset.label(index), fingerprint: looks[index]! }));
  for (const { first, second } of nearDuplicates(candidates)) join(different[first]!, different[second]!);

  const byLeader = new Map<number, number[]>();
  for (const index of readable) {
    const root = find(index);
    const group = byLeader.get(root);
    if (group) group.push(index);
    else byLeader.set(root, [index]);
  }
  const groups = [...byLeader.values()].filter((group) => group.length > 1);
  return { readable, groups, equal: readable.length - different.length, skipped };
}
