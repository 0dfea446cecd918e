import { type Command, InvalidArgumentError, Option } from "commander";
import type { OutputOptions } from "./terminal.js";

/** Options that every command has. */
export function withOutputOptions(command: Command): Command {
  return command
    .addOption(new Option("--json", "print one JSON object instead of text"))
    .addOption(new Option("--quiet", "no progress, no remarks"));
}

/** Options of every command that computes. */
export interface ComputeOptions extends OutputOptions {
  readonly threads?: number;
}

export function withComputeOptions(command: Command): Command {
  return withOutputOptions(command).addOption(
    new Option("--threads <n>", "threads that compute (default: one a core)").argParser(wholeNumber(1, 64)),
  );
}

/** Parser of a whole number in [low, high]. */
export function wholeNumber(low: number, high = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isInteger(value) || value < low || value > high) {
      const range = high === Number.MAX_SAFE_INTEGER ? `≥ ${low}` : `from ${low} to ${high}`;
      throw new InvalidArgumentError(`expected a whole number ${range}, received "${text}".`);
    }
    return value;
  };
}

/** Parser of a number in [low, high]. */
export function number(low: number, high = Number.POSITIVE_INFINITY): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !(value >= low && value <= high)) {
      const range = high === Number.POSITIVE_INFINITY ? `≥ ${low}` : `from ${low} to ${high}`;
      throw new InvalidArgumentError(`expected a number ${range}, received "${text}".`);
    }
    return value;
  };
}

/** Parser of a list of whole numbers: "2,4,14,1". */
export function wholeNumbers(low: number): (text: string) => number[] {
  return (text) => text.split(",").map(wholeNumber(low));
}
