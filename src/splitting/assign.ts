import { UserError } from "../core/errors.js";
import { rngFor } from "../core/rng.js";
import type { Part } from "./parts.js";

/** Pictures that must not be separated, as indices. */
export type Group = readonly number[];

/**
 * Which part each picture comes to: each class is divided by the parts' shares, groups whole. Groups come first, the largest first, then
 * single pictures in an order drawn by the seed; each goes where its classes lack the most pictures, if that is not too many there. A part
 * that got no picture of a class is given the smallest group that another can spare.
 * @param labels class of each picture
 * @param groups of several pictures; every other picture is one by itself
 * @returns the part's index for each picture
 * @throws UserError where a part would have no picture of a class
 */
export function assignParts(
  labels: ArrayLike<number>,
  classNames: readonly string[],
  groups: readonly Group[],
  parts: readonly Part[],
  seed: number,
): Int32Array {
  const counts = classNames.map(() => 0);
  for (let i = 0; i < labels.length; i++) counts[labels[i]!]!++;
  checkCounts(counts, classNames, parts);
  const units = unitsOf(labels, groups, seed);
  const lacking = counts.map((count) => wantedOf(count, parts));
  for (const unit of units) {
    let best = 0;
    let bestScore = Number.NEGATIVE_INFINITY;
    for (let part = 0; part < parts.length; part++) {
      let score = 0;
      for (const [label, size] of unit.members) {
        const lack = lacking[label]![part]!;
        // What does not fit is worse than any lack.
        score += lack * size - Math.max(0, size - lack) * labels.length * labels.length;
      }
      if (score > bestScore) [best, bestScore] = [part, score];
    }
    for (const [label, size] of unit.members) lacking[label]![best]! -= size;
    unit.part = best;
  }
  fillEmpty(units, classNames, parts, groups, labels);
  const assigned = new Int32Array(labels.length);
  for (const { group, part } of units) for (const index of group) assigned[index] = part;
  return assigned;
}

/** Pictures that go to one part. */
interface Unit {
  readonly group: Group;
  /** Pictures by class. */
  readonly members: ReadonlyMap<number, number>;
  part: number;
}

/** In the order in which they are placed. */
function unitsOf(labels: ArrayLike<number>, groups: readonly Group[], seed: number): Unit[] {
  const together = new Set(groups.flat());
  const shuffled = [...groups];
  rngFor(seed, "split", "groups").shuffle(shuffled);
  shuffled.sort((a, b) => b.length - a.length);
  const single: number[] = [];
  for (let i = 0; i < labels.length; i++) if (!together.has(i)) single.push(i);
  rngFor(seed, "split", "pictures").shuffle(single);
  return [...shuffled, ...single.map((index) => [index])].map((group) => {
    const members = new Map<number, number>();
    for (const index of group) members.set(labels[index]!, (members.get(labels[index]!) ?? 0) + 1);
    return { group, members, part: -1 };
  });
}

/** Gives each part a picture of each class. @throws UserError where there is none to spare */
function fillEmpty(
  units: readonly Unit[],
  classNames: readonly string[],
  parts: readonly Part[],
  groups: readonly Group[],
  labels: ArrayLike<number>,
): void {
  // [class][part]: units that have pictures of it.
  const having = classNames.map(() => parts.map(() => 0));
  const count = (unit: Unit, step: 1 | -1): void => {
    for (const label of unit.members.keys()) having[label]![unit.part]! += step;
  };
  for (const unit of units) count(unit, 1);
  for (const [label, className] of classNames.entries()) {
    for (const [part, { name }] of parts.entries()) {
      if (having[label]![part]! > 0) continue;
      const spare = units
        .filter(
          (unit) => unit.members.has(label) && [...unit.members.keys()].every((own) => having[own]![unit.part]! > 1),
        )
        .sort((a, b) => a.group.length - b.group.length || having[label]![b.part]! - having[label]![a.part]!)[0];
      if (!spare) {
        const own = groups.filter((group) => group.some((index) => labels[index] === label)).length;
        throw new UserError({
          expected: `pictures of every class in each of ${namesOf(parts)}`,
          received: `none of "${className}" for ${name}, because pictures that look the same stay together (groups of them in this class: ${own})`,
          remedy: "add other pictures of it, take the class out, or make fewer parts",
        });
      }
      count(spare, -1);
      spare.part = part;
      count(spare, 1);
    }
  }
}

/** How many of `count` pictures each part gets: by largest remainders, none less than one. */
function wantedOf(count: number, parts: readonly Part[]): number[] {
  const numbers = parts.map(({ share }) => Math.max(1, Math.floor(count * share + 1e-9)));
  const byRemainder = parts
    .map(({ share }, part) => ({ part, remainder: count * share - numbers[part]! }))
    .sort((a, b) => b.remainder - a.remainder || a.part - b.part);
  let left = count - numbers.reduce((sum, number) => sum + number, 0);
  for (let i = 0; left > 0; i++, left--) numbers[byRemainder[i % parts.length]!.part]!++;
  // Parts that were given one at least have it from the largest.
  for (; left < 0; left++) numbers[numbers.indexOf(Math.max(...numbers))]!--;
  return numbers;
}

function checkCounts(counts: readonly number[], classNames: readonly string[], parts: readonly Part[]): void {
  const label = counts.findIndex((count) => count < parts.length);
  if (label < 0) return;
  throw new UserError({
    expected: `at least ${parts.length} pictures of every class, one for each of ${namesOf(parts)}`,
    received: `${counts[label]} of "${classNames[label]}"`,
    remedy: "add pictures, take the class out, or make fewer parts",
  });
}

function namesOf(parts: readonly Part[]): string {
  const names = parts.map(({ name }) => name);
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
