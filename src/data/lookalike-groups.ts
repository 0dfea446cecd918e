import type { Dataset, Image } from "./dataset.js";
import { fingerprint } from "./fingerprint.js";
import { type Candidate, nearDuplicates } from "./near-duplicates.js";
import { readAll } from "./read-all.js";

/**
 * Groups of two and more pictures that look the same ({@link nearDuplicates}), also by way of others, each ascending. Every picture is decoded
 * once; broken ones of a lenient set are in no group.
 */
export async function lookalikeGroups(dataset: Dataset): Promise<number[][]> {
  const candidates: (Candidate & { readonly index: number })[] = [];
  await readAll(dataset, (index: number, image: Image) => {
    candidates.push({ index, label: dataset.label(index), fingerprint: fingerprint(image) });
  });
  candidates.sort((a, b) => a.index - b.index);
  // Union-find; the root is the smallest of its group.
  const parent = candidates.map((_, i) => i);
  const root = (i: number): number => {
    let at = i;
    while (parent[at] !== at) {
      parent[at] = parent[parent[at]!]!;
      at = parent[at]!;
    }
    return at;
  };
  for (const { first, second } of nearDuplicates(candidates)) {
    const [a, b] = [root(first), root(second)];
    parent[Math.max(a, b)] = Math.min(a, b);
  }
  const groups = new Map<number, number[]>();
  candidates.forEach(({ index }, i) => {
    const at = root(i);
    groups.set(at, [...(groups.get(at) ?? []), index]);
  });
  return [...groups.values()].filter(({ length }) => length > 1);
}
