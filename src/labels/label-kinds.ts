import { UserError } from "../core/errors.js";

/** Distinct numbers with decimals from which labels are measurements, not names. */
const manyNumbers = 20;

/**
 * Refuses labels that are not one class of each picture.
 * @param labels of all rows
 * @param column in which they stand
 * @throws UserError for several labels a picture, and for measurements
 */
export function checkSingleLabels(labels: readonly string[], column: string, name: string): void {
  const distinct = new Set(labels);
  const several = severalIn(distinct);
  if (several !== undefined) {
    throw new UserError({
      expected: `one class for each picture in column "${column}" of ${name}`,
      received: `several, "${several.slice(0, 60)}" (a multi-label set)`,
      remedy: "nets are trained on one class a picture: keep the main one, or make a list for each question",
    });
  }
  const numbers = [...distinct].every((label) => /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(label));
  if (!numbers || distinct.size <= manyNumbers) return;
  const decimals = [...distinct].some((label) => !Number.isInteger(Number(label)));
  if (!decimals && distinct.size * 2 <= labels.length) return;
  const examples = [...distinct].slice(0, 3).join(", ");
  throw new UserError({
    expected: `names of classes in column "${column}" of ${name}`,
    received: `${distinct.size.toLocaleString("en")} different numbers (${examples} …) for ${labels.length.toLocaleString("en")} pictures (a regression)`,
    remedy: "nets are trained on classes: make a column of ranges, as low, middle and high",
  });
}

/**
 * A label that is several: a list in brackets; parts between "|"; or parts between "," or ";" of which each is a label elsewhere too, alone
 * or in another such list.
 */
function severalIn(distinct: ReadonlySet<string>): string | undefined {
  const plainly = [...distinct].find((label) => label.includes("|") || /^\[.*\]$/.test(label));
  if (plainly !== undefined) return plainly;
  for (const separator of [";", ","]) {
    const parts = (label: string): string[] => label.split(separator).map((part) => part.trim());
    const lists = [...distinct].filter((label) => label.includes(separator));
    const count = new Map<string, number>();
    for (const label of distinct) for (const part of new Set(parts(label))) count.set(part, (count.get(part) ?? 0) + 1);
    const found = lists.find((label) => parts(label).every((part) => count.get(part)! > 1));
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * Refuses a table that has a column of 0 and 1 for each class in place of one column of labels.
 * @throws UserError naming the columns
 */
export function checkNoIndicatorColumns(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  name: string,
): void {
  const indicators = head.filter(
    (_, at) => rows.length > 0 && rows.every((row) => /^[01](\.0*)?$/.test(row[at]!.trim())),
  );
  if (indicators.length < 2) return;
  const named = indicators.slice(0, 4).map((column) => `"${column}"`);
  throw new UserError({
    expected: `a column of ${name} with the class of each picture`,
    received: `columns of 0 and 1: ${named.join(", ")}${indicators.length > 4 ? ", …" : ""} (a multi-label set, or one column a class)`,
    remedy:
      "where each picture has exactly one 1, make a column label of the columns' names; several labels a picture are not trained on",
  });
}
