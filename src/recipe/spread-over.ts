import type { Dataset } from "../data/dataset.js";

/** `count` pictures at even distances over a set (which is often sorted by class); the whole set where it has no more. */
export function spreadOver(dataset: Dataset, count: number): Dataset {
  if (dataset.length <= count) return dataset;
  return dataset.select(Array.from({ length: count }, (_, i) => Math.floor((i * dataset.length) / count)));
}
