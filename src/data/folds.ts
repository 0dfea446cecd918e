import { UserError } from "../core/errors.js";
import { rngFor } from "../core/rng.js";
import type { Dataset } from "./dataset.js";

/**
 * Deals pictures out to `folds` parts, each class evenly: the parts' numbers of a class differ by at most one where all pictures stand alone.
 * The same seed gives the same parts.
 * @param together groups of pictures that stay in one part; the others stand alone
 * @returns the part of each picture, from 0
 * @throws UserError where there are fewer pictures than parts, or all pictures of a class would be in one part: the net that is tested on it
 *   would never have seen the class
 */
export function stratifiedFolds(
  dataset: Dataset,
  folds: number,
  seed: number,
  together: readonly (readonly number[])[] = [],
): number[] {
  if (!Number.isInteger(folds) || folds < 2 || folds > dataset.length) {
    throw new UserError({
      expected: `a number of folds from 2 to ${dataset.length}, the pictures of ${dataset.name}`,
      received: String(folds),
      remedy: "5 and 10 are usual (--folds, folds)",
    });
  }
  const foldOf = new Array<number>(dataset.length).fill(-1);
  const sizes = new Array<number>(folds).fill(0);
  unitsByClass(dataset, together).forEach((units, label) => {
    const own = new Array<number>(folds).fill(0);
    rngFor(seed, "folds", label).shuffle(units);
    for (const unit of units.sort((a, b) => b.length - a.length)) {
      let least = 0;
      for (let fold = 1; fold < folds; fold++) {
        if (own[fold]! - own[least]! < 0 || (own[fold] === own[least] && sizes[fold]! < sizes[least]!)) least = fold;
      }
      for (const index of unit) foldOf[index] = least;
      own[least]! += unit.length;
      sizes[least]! += unit.length;
    }
  });
  checkSeen(dataset, foldOf);
  return foldOf;
}

/** Class → groups of pictures that stay together; a group belongs to the class of its first picture. */
function unitsByClass(dataset: Dataset, together: readonly (readonly number[])[]): number[][][] {
  const units: number[][][] = dataset.classNames.map(() => []);
  const grouped = new Set(together.flat());
  for (const group of together) units[dataset.label(group[0]!)]!.push([...group]);
  for (let i = 0; i < dataset.length; i++) if (!grouped.has(i)) units[dataset.label(i)]!.push([i]);
  return units;
}

/** @throws UserError for a class that lies in one part as a whole */
function checkSeen(dataset: Dataset, foldOf: readonly number[]): void {
  const parts = foldsOfClasses(dataset, foldOf);
  const label = parts.findIndex(({ size }) => size === 1);
  if (label < 0) return;
  const pictures = foldOf.filter((_, i) => dataset.label(i) === label).length;
  throw new UserError({
    expected: `two pictures of class "${dataset.classNames[label]}" that may be in different folds`,
    received: pictures === 1 ? "one picture" : `${pictures} that look the same and stay together`,
    remedy: "add pictures of it, or take the class out: the net of its fold would never see it",
  });
}

/** The parts in which each class has pictures. */
export function foldsOfClasses(dataset: Dataset, foldOf: readonly number[]): ReadonlySet<number>[] {
  const parts = dataset.classNames.map(() => new Set<number>());
  foldOf.forEach((fold, index) => {
    parts[dataset.label(index)]!.add(fold);
  });
  return parts;
}
