import type { SkippedFile } from "../data/dataset.js";
import type { PartName } from "./parts.js";

/** How pictures were divided. Plain data. */
export interface DataSplit {
  /** In the order train, val, test, with their pictures by class (in the order of `classNames`). */
  readonly parts: readonly {
    readonly name: PartName;
    readonly pictures: number;
    readonly byClass: readonly number[];
  }[];
  /** In the order of {@link parts}' counts. */
  readonly classNames: readonly string[];
  /** Pictures that look the same, or are, and came to one part together. */
  readonly alike: {
    /** How many such groups there are. */
    readonly groups: number;
    /** Pictures in them. */
    readonly pictures: number;
    /** Pictures that are equal to an earlier one, pixel for pixel. */
    readonly equal: number;
    /** Some groups, the largest first: files below the data's folder. */
    readonly examples: readonly (readonly string[])[];
  };
  /** Files that cannot be read; they are in no part. */
  readonly skipped: readonly SkippedFile[];
  /** How the data was read, in sentences. */
  readonly notes: readonly string[];
  /** The folder or the file that was written. */
  readonly written: string;
}

/** What a reader is told of a division besides its numbers, in lines. */
export function describeSplit({ parts, alike, skipped, notes, written }: DataSplit): string[] {
  const count = (number: number, noun: string): string =>
    `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
  const named = alike.examples
    .slice(0, 2)
    .map((group) => group.slice(0, 3).join(" = ") + (group.length > 3 ? " = …" : ""));
  const equal = alike.equal > 0 ? ` (${alike.equal.toLocaleString("en")} equal to an earlier one)` : "";
  return [
    ...notes,
    ...(alike.groups === 0
      ? []
      : [
          `${count(alike.pictures, "picture")} that look the same${equal} are in ${count(alike.groups, "group")}, each in one part: ${named.join("; ")}${alike.groups > 2 ? "; …" : ""}`,
        ]),
    ...(skipped.length > 0 ? [`${count(skipped.length, "file")} that cannot be read: in no part`] : []),
    `${written}: ${parts.map(({ name, pictures }) => `${name} ${pictures.toLocaleString("en")}`).join(", ")}`,
  ];
}
