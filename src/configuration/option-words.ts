import { nearest, UserError } from "../core/errors.js";

/** An option of a command line, as far as a configuration has to know it. */
export interface KnownOption {
  /** "batchSize" */
  readonly name: string;
  /** "--batch-size", "--no-report" */
  readonly flag: string;
  /** It takes a value; else it is there or not. */
  readonly takesValue: boolean;
  /** Its flag means false. */
  readonly negated: boolean;
  /** Names of options that cannot be given beside it. */
  readonly conflicts: readonly string[];
  readonly choices?: readonly string[] | undefined;
  /** As for the flag's value. @throws Error whose message says what is wanted */
  readonly parse?: ((text: string) => unknown) | undefined;
}

/** What a configuration gives, as words of a command line. */
export interface OptionWords {
  /** Flags with their values, to stand before those that are given, which win. */
  readonly words: readonly string[];
  /** What stands first on the command line. */
  readonly data: string | undefined;
}

/**
 * A configuration as words of a command line, each value checked as the flag's would be.
 * @param given names of options on the command line: what cannot stand beside them is left out
 * @param where the file, for messages
 * @throws UserError for an unknown key, or a value that the option does not take
 */
export function optionWords(
  configuration: Readonly<Record<string, unknown>>,
  known: readonly KnownOption[],
  given: readonly string[],
  where: string,
): OptionWords {
  const words: string[] = [];
  const seen = new Map<string, string>();
  let data: string | undefined;
  for (const [key, value] of Object.entries(configuration)) {
    const name = key.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
    const before = seen.get(name);
    if (before !== undefined) {
      throw new UserError({ expected: `each option once in ${where}`, received: `"${before}" and "${key}"` });
    }
    seen.set(name, key);
    if (value === undefined) continue;
    if (name === "data") {
      if (typeof value !== "string") throw wrong(key, where, "a path or a known name", value);
      data = value;
      continue;
    }
    const option = known.find((one) => one.name === name);
    if (!option) throw unknownKey(key, known, where);
    const beaten = known.some(
      (one) => given.includes(one.name) && (one.conflicts.includes(option.name) || option.conflicts.includes(one.name)),
    );
    if (!beaten) words.push(...wordsOf(option, key, value, where));
  }
  return { words, data };
}

function wordsOf(option: KnownOption, key: string, value: unknown, where: string): string[] {
  const { flag, takesValue, negated, choices, parse } = option;
  if (!takesValue) {
    if (typeof value !== "boolean") throw wrong(key, where, "true or false", value);
    return value === negated ? [] : [flag];
  }
  const text = textOf(value);
  if (text === undefined) throw wrong(key, where, "a text, a number or a list of them", value);
  if (choices && !choices.includes(text)) throw wrong(key, where, choices.join(" or "), value, nearest(text, choices));
  try {
    parse?.(text);
  } catch (error) {
    throw wrong(key, where, (error as Error).message, value);
  }
  return [`${flag}=${text}`];
}

/** What would be typed; undefined for what cannot be. */
function textOf(value: unknown): string | undefined {
  if (typeof value === "string" || (typeof value === "number" && Number.isFinite(value))) return String(value);
  if (!Array.isArray(value) || value.length === 0) return undefined;
  const parts = value.map((part) => (Array.isArray(part) ? undefined : textOf(part)));
  return parts.every((part) => part !== undefined) ? parts.join(",") : undefined;
}

function unknownKey(key: string, known: readonly KnownOption[], where: string): UserError {
  const names = ["data", ...known.map(({ name }) => name)];
  const near = nearest(key, names);
  return new UserError({
    expected: `known options in ${where}`,
    received: JSON.stringify(key.slice(0, 60)),
    remedy: near ? `did you mean "${near}"?` : `there are ${names.join(", ")}`,
  });
}

function wrong(key: string, where: string, expected: string, value: unknown, near?: string): UserError {
  const received = (JSON.stringify(value) ?? String(value)).slice(0, 80);
  return new UserError({
    expected: `"${key}" in ${where} to be ${expected}`,
    received,
    ...(near !== undefined && { remedy: `did you mean "${near}"?` }),
  });
}
