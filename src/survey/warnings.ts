import { imbalance, isUnbalanced } from "../data/class-counts.js";
import type { IgnoredFiles } from "../data/dataset.js";
import { describeIgnored } from "../data/ignored-files.js";
import type { DatasetDescription, DataWarning, SplitsDescription } from "./description.js";

/** Examples that a message names. */
const examples = 3;

/** A class and how many pictures it has. */
type ClassCount = DatasetDescription["classes"][number];

/** @param name of the set */
export function balanceWarnings(name: string, classes: readonly ClassCount[]): DataWarning[] {
  const inOrder = [...classes].sort((a, b) => a.pictures - b.pictures);
  const [smallest, largest] = [inOrder[0]!, inOrder.at(-1)!];
  const counts = classes.map(({ pictures }) => pictures);
  if (!isUnbalanced(counts)) return [];
  return [
    {
      problem: "unbalanced",
      message: `${name}: the largest class (${largest.name}, ${counted(largest.pictures)}) has ${imbalance(counts).toFixed(1)} × the pictures of the smallest (${smallest.name}, ${smallest.pictures})`,
      remedy:
        "train makes up for it in the loss (--balance); accuracy hides how the small classes fare: look at the balanced one",
    },
  ];
}

/** @param name of the set */
export function ignoredWarnings(name: string, ignored: readonly IgnoredFiles[] = []): DataWarning[] {
  const told = ignored.filter(({ kind }) => !kind.startsWith("hidden"));
  if (told.length === 0) return [];
  return [
    {
      problem: "ignored",
      message: `${name}: not looked at: ${describeIgnored(told)}`,
      remedy: told.some(({ convertible }) => convertible)
        ? "to use them, convert them to JPEG or PNG and put them into class folders"
        : "nothing of it is needed",
    },
  ];
}

/**
 * @param equal pictures of one part whose pixels another has
 * @param part which has them
 * @param other which has them too, and should not
 */
export function leakWarnings(
  equal: number,
  part: "test" | "validation" = "test",
  other: "training" | "validation" = "training",
): DataWarning[] {
  if (equal === 0) return [];
  return [
    {
      problem: "leak",
      message: `${counted(equal, `${part} picture`)} in the ${other} set too`,
      remedy: "accuracy will look too good: take them out of one of the two",
    },
  ];
}

/** All that a survey shows. */
export function surveyWarnings({
  train,
  test,
  leaked,
  leakedLookalikes,
}: Omit<SplitsDescription, "warnings">): DataWarning[] {
  return [
    ...[train, ...(test ? [test] : [])].flatMap(setWarnings),
    ...leakWarnings(leaked.length),
    ...lookalikeWarnings(leakedLookalikes),
  ];
}

function setWarnings({
  name,
  classes,
  skipped,
  ignored,
  contradictions,
}: Omit<DatasetDescription, "lookalikes">): DataWarning[] {
  const warnings = balanceWarnings(name, classes);
  if (contradictions > 0) {
    warnings.push({
      problem: "contradictions",
      message: `${name}: ${counted(contradictions)} under several classes`,
      remedy: "one of the labels is wrong",
    });
  }
  if (skipped.length > 0) {
    warnings.push({
      problem: "broken",
      message: `${name}: ${counted(skipped.length, "file")} that cannot be used`,
      remedy: "they are left out; mend or remove them",
    });
  }
  return [...warnings, ...ignoredWarnings(name, ignored)];
}

function lookalikeWarnings(lookalikes: SplitsDescription["leakedLookalikes"]): DataWarning[] {
  if (lookalikes.length === 0) return [];
  const named = lookalikes.slice(0, examples).map(({ picture, original }) => `test ${picture} = train ${original}`);
  const more = lookalikes.length > examples ? ", …" : "";
  const verb = lookalikes.length === 1 ? "looks" : "look";
  return [
    {
      problem: "lookalike-leak",
      message: `${counted(lookalikes.length, "test picture")} that ${verb} the same as a training picture (${named.join(", ")}${more})`,
      remedy: "accuracy will look too good: take them out of one of the two",
    },
  ];
}

/** A warning as a line for people. */
export function describeDataWarning({ message, remedy }: DataWarning): string {
  return `${message}; ${remedy}`;
}

function counted(count: number, noun = "picture"): string {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}
