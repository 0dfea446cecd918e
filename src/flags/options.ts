import { type Command, InvalidArgumentError, Option } from "commander";
import { type BackendKind, backendKinds } from "../backend/options.js";
import { nearest, UserError } from "../core/errors.js";
import type { OutputOptions } from "../terminal/terminal.js";

/** Options that every command has. */
export function withOutputOptions(command: Command): Command {
  return command
    .optionsGroup("Output:")
    .addOption(new Option("--json", "print one JSON object instead of text"))
    .addOption(new Option("--quiet", "no progress, no remarks"));
}

/** Options of every command that computes. */
export interface ComputeOptions extends OutputOptions {
  readonly threads?: number;
  readonly kernels?: BackendKind;
}

export function withComputeOptions(command: Command): Command {
  return withOutputOptions(
    command
      .optionsGroup("Process:")
      .addOption(
        new Option("--threads <n>", "threads that compute (default: one a core)").argParser(wholeNumber(1, 64)),
      )
      .addOption(
        new Option("--kernels <kind>", "machine code or WebAssembly (default: what there is)").choices(backendKinds),
      ),
  );
}

/** The option of every command that reads data sets. */
export function strictOption(): Option {
  return new Option("--strict", "a broken picture is an error (default: it is named and skipped)");
}

/** Options of commands that read data sets, which may be lists of labels. */
export function withColumnOptions(command: Command): Command {
  return command
    .option(
      "--path-column <name>",
      "column of a .csv with the pictures' paths (default: path, file, image, filename …)",
    )
    .option("--label-column <name>", "column of a .csv with the classes (default: label, class, category …)")
    .option("--split-column <name>", "column of a .csv with train, val, test (default: split, set, subset …)");
}

/** One of `all`. @throws UserError for another name. */
export function chosenFrom<T extends string>(what: string, name: string, all: readonly T[]): T {
  const found = all.find((known) => known === name);
  if (found !== undefined) return found;
  const near = nearest(name, all);
  throw new UserError({
    expected: `${what} of ${all.join(", ")}`,
    received: `"${name}"`,
    remedy: near ? `did you mean "${near}"?` : "name some of these, with commas between",
  });
}

/** What a parser throws: what it wants, without what it got (usage.ts knows that). */
export function wanted(what: string): InvalidArgumentError {
  return new InvalidArgumentError(what);
}

/** Parser of a whole number in [low, high]. */
export function wholeNumber(low: number, high = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= low && value <= high) return value;
    throw wanted(
      high === Number.MAX_SAFE_INTEGER ? `a whole number ≥ ${low}` : `a whole number from ${low} to ${high}`,
    );
  };
}

/** Parser of a number in [low, high]. */
export function number(low: number, high = Number.POSITIVE_INFINITY): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && Number.isFinite(value) && value >= low && value <= high) return value;
    throw wanted(high === Number.POSITIVE_INFINITY ? `a number ≥ ${low}` : `a number from ${low} to ${high}`);
  };
}

/** Parser of a number above `low`. */
export function numberAbove(low: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && Number.isFinite(value) && value > low) return value;
    throw wanted(`a number > ${low}`);
  };
}

/** Parser of a number above 0, at most `high`. */
export function aboveZeroTo(high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && value > 0 && value <= high) return value;
    throw wanted(`a number above 0, at most ${high}`);
  };
}

/** Parser of a number from 0 to below 1. */
export function share(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= 0 && value < 1) return value;
  throw wanted("a number from 0 to below 1");
}

/** Parser of a list of whole numbers: "2,4,14,1". */
export function wholeNumbers(low: number): (text: string) => number[] {
  return (text) => {
    const parts = text.split(",").map((part) => part.trim());
    if (parts.every((part) => /^\d+$/.test(part) && Number(part) >= low)) return parts.map(Number);
    throw wanted(`whole numbers ≥ ${low} with commas between`);
  };
}

/** Parser of a list of numbers: "0.485,0.456,0.406". */
export function numbers(text: string): number[] {
  const parts = text.split(",").map((part) => part.trim());
  if (parts.every((part) => part !== "" && Number.isFinite(Number(part)))) return parts.map(Number);
  throw wanted("numbers with commas between");
}

/** Parser of names with commas between. */
export function words(text: string): string[] {
  const parts = text.split(",").map((part) => part.trim());
  if (parts.every((part) => part !== "")) return parts;
  throw wanted("names with commas between");
}
