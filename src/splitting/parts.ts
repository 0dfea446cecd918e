import { UserError } from "../core/errors.js";

/** Name of a part, as folders and lists of labels call it. */
export type PartName = "train" | "val" | "test";

/** A part and its share of the pictures. */
export interface Part {
  readonly name: PartName;
  /** Above 0, below 1; all of them make 1. */
  readonly share: number;
}

/**
 * Reads "80/20" (train and test) or "80/10/10" (train, val and test); also with ":" or "," between, and as parts of 1.
 * @throws UserError for anything else
 */
export function parseParts(text: string): Part[] {
  const numbers = text.split(/[/:,]/).map((part) => Number(part.trim() || Number.NaN));
  const sum = numbers.reduce((total, number) => total + number, 0);
  const whole = [1, 100].find((total) => Math.abs(sum - total) < 1e-6 * total);
  const names = ({ 2: ["train", "test"], 3: ["train", "val", "test"] } as const)[numbers.length];
  if (names && whole !== undefined && numbers.every((number) => number > 0)) {
    return numbers.map((number, i) => ({ name: names[i]!, share: number / whole }));
  }
  throw new UserError({
    expected: "two or three parts above 0 that make 100, as 80/20 (train/test) or 80/10/10 (train/val/test)",
    received: JSON.stringify(text),
    remedy:
      names && Number.isFinite(sum) && whole === undefined
        ? `these make ${Number(sum.toPrecision(6))}`
        : "for example --split 80/10/10",
  });
}
