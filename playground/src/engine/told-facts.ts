import { UserError } from "repvgg/browser";

/** What a visitor says of a file that does not say it; texts as they were typed. */
export interface ToldFacts {
  /** One a line. */
  readonly classNames: string;
  /** Numbers between spaces or commas, one a channel. */
  readonly mean: string;
  readonly std: string;
  /** One number, or height and width. */
  readonly size: string;
}

/** As the engine takes them. @throws UserError for what is no number */
export function loadHints({ classNames, mean, std, size }: ToldFacts) {
  const names = classNames
    .split("\n")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  const sides = numbers("size", size);
  const preprocessing = {
    ...(mean.trim() && { mean: numbers("mean", mean) }),
    ...(std.trim() && { std: numbers("standard deviation", std) }),
    ...(sides.length > 0 && { size: [sides[0]!, sides[1] ?? sides[0]!] as const }),
  };
  return { preprocessing, ...(names.length > 0 && { classNames: names }) };
}

function numbers(what: string, text: string): number[] {
  const parts = text.split(/[\s,;×x]+/).filter((part) => part !== "");
  const found = parts.map(Number);
  const wrong = parts.find((_, i) => !Number.isFinite(found[i]));
  if (wrong !== undefined) throw new UserError({ expected: `numbers as the ${what}`, received: `"${wrong}"` });
  return found;
}
