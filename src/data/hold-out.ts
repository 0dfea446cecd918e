import { UserError } from "../core/errors.js";
import { rngFor } from "../core/rng.js";
import type { Dataset } from "./dataset.js";

/** Fewer pictures than this are few: a tenth of them would measure nothing. */
const fewPictures = 500;

/** The part of so many pictures that is held out where nobody says how much: a tenth, of few pictures a fifth. */
export function heldOutPart(pictures: number): number {
  return pictures < fewPictures ? 0.2 : 0.1;
}

/** Fewer training pictures than this give no validation pictures unasked: a tenth of them would choose by chance. */
const picturesForValidation = 1_000;

/**
 * The part of so many training pictures that judges epochs where nobody says how much: a tenth; none of fewer than 1,000, or where a class
 * has not two pictures.
 */
export function validationPartFor(train: Dataset): number {
  const enough = train.length >= picturesForValidation && indicesByClass(train).every(({ length }) => length > 1);
  return enough ? 0.1 : 0;
}

/** What a held-out part is for: its name, and the option that says how much it is. */
const purposes = {
  test: { suffix: "held-out", draw: "hold-out", option: "--hold-out", field: "holdOut", instead: "give a test split" },
  validation: {
    ...{ suffix: "validation", draw: "validation" },
    ...{ option: "--validation", field: "validation", instead: "give a val/ folder" },
  },
} as const;

/**
 * Splits a data set in two, class by class: `fraction` of each class (at least one picture) is held out for
 * testing, or for judging epochs. The same seed gives the same split.
 * @throws UserError where a class has fewer than two pictures
 */
export function holdOut(
  dataset: Dataset,
  fraction: number,
  seed: number,
  purpose: keyof typeof purposes = "test",
): { train: Dataset; test: Dataset } {
  const { suffix, draw, option, field, instead } = purposes[purpose];
  if (!(fraction > 0 && fraction < 1)) {
    throw new UserError({
      expected: "a part to hold out above 0 and below 1 (or 0: none)",
      received: String(fraction),
      remedy: `0.1 or 0.2 is usual (${option}, ${field})`,
    });
  }
  const train: number[] = [];
  const test: number[] = [];
  indicesByClass(dataset).forEach((indices, label) => {
    if (indices.length < 2) {
      throw new UserError({
        expected: `at least two pictures of class "${dataset.classNames[label]}" to hold one out`,
        received: String(indices.length),
        remedy: `add pictures, ${instead}, or hold out none (${option} 0)`,
      });
    }
    const held = Math.min(indices.length - 1, Math.max(1, Math.round(indices.length * fraction)));
    rngFor(seed, draw, label).shuffle(indices);
    indices.forEach((index, i) => {
      (i < held ? test : train).push(index);
    });
  });
  const ascending = (a: number, b: number): number => a - b;
  return {
    // What remains beside validation pictures are still the training pictures that the place has.
    train: dataset.select(train.sort(ascending), purpose === "test" ? `${dataset.name}/train` : dataset.name),
    test: dataset.select(test.sort(ascending), `${dataset.name}/${suffix}`),
  };
}

/** The error for validation pictures of their own and a part of the training pictures. */
export function validationTwice({ name }: Dataset, part: number): UserError {
  return new UserError({
    expected: "validation pictures of their own, or a part of the training pictures",
    received: `both: ${name} and ${part}`,
    remedy: "leave one of them out",
  });
}

/** The indices of each class's pictures, ascending. */
export function indicesByClass(dataset: Dataset): number[][] {
  const byClass: number[][] = dataset.classNames.map(() => []);
  for (let i = 0; i < dataset.length; i++) byClass[dataset.label(i)]!.push(i);
  return byClass;
}

/** @throws UserError where two data sets do not have the same classes in the same order */
export function checkSameClasses(a: Dataset, b: Dataset): void {
  const missing = a.classNames.filter((name) => !b.classNames.includes(name));
  const extra = b.classNames.filter((name) => !a.classNames.includes(name));
  if (missing.length === 0 && extra.length === 0 && a.classNames.every((name, i) => name === b.classNames[i])) return;
  const list = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(", ");
  const parts = [missing.length ? `without ${list(missing)}` : "", extra.length ? `with ${list(extra)}` : ""].filter(
    Boolean,
  );
  throw new UserError({
    expected: `the same classes in ${b.name} as in ${a.name}`,
    received: parts.join(" and ") || "another order",
  });
}
