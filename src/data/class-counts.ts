import type { Dataset } from "./dataset.js";

/** Pictures of the largest class a picture of the smallest, from which on classes are badly unbalanced. */
const unbalancedFrom = 3;

/** How many pictures each class has, in the order of the labels. */
export function classCounts(dataset: Dataset): number[] {
  const counts = dataset.classNames.map(() => 0);
  for (let i = 0; i < dataset.length; i++) counts[dataset.label(i)]!++;
  return counts;
}

/** How many times as many pictures as the smallest class the largest has; a class without any counts as one of 1. */
export function imbalance(counts: readonly number[]): number {
  let [fewest, most] = [Number.POSITIVE_INFINITY, 0];
  for (const count of counts) [fewest, most] = [Math.min(fewest, count), Math.max(most, count)];
  return most / Math.max(1, fewest);
}

/** Whether accuracy hides how the small classes fare, and a net that is trained as ever neglects them. */
export function isUnbalanced(counts: readonly number[]): boolean {
  return imbalance(counts) >= unbalancedFrom;
}
