import type { Command, CommanderError } from "commander";
import { nearest, UserError } from "../core/errors.js";

/** Commander's complaint about a command line as one of ours: what was expected, what was received, what to do. */
export function usageError(error: CommanderError, program: Command, args: readonly string[]): UserError {
  const [name, behind] = args.filter((arg) => !arg.startsWith("-"));
  const outer = program.commands.find((known) => known.name() === name);
  const nested = outer?.commands.find((known) => known.name() === behind);
  const command = nested ?? outer;
  const path = [outer, nested].flatMap((one) => (one ? [`${one.name()} `] : []));
  const help = `see repvgg ${path.join("")}--help`;
  const quoted = [...error.message.matchAll(/'([^']*)'/g)].map((match) => match[1]!);
  const first = quoted[0] ?? "";
  switch (error.code) {
    case "commander.unknownOption": {
      const flag = first.split("=")[0]!;
      const near = nearest(flag, longFlags(command ?? program));
      return new UserError({
        expected: "a known option",
        received: flag,
        remedy: near ? `did you mean ${near}?` : help,
      });
    }
    case "commander.unknownCommand":
      return unknownCommand(first, program);
    case "commander.missingArgument":
      return new UserError({ expected: `<${first}>`, received: "nothing", remedy: help });
    case "commander.missingMandatoryOptionValue":
      return new UserError({ expected: first.replace(/^-\w, /, ""), received: "nothing", remedy: help });
    case "commander.optionMissingArgument":
      return new UserError({ expected: `a value after ${longFlag(first)}`, received: "nothing", remedy: help });
    case "commander.conflictingOption":
      return new UserError({
        expected: `only one of ${quoted.slice(0, 2).map(longFlag).join(" and ")}`,
        received: "both",
        remedy: help,
      });
    case "commander.excessArguments": {
      const [, expected, received] = /Expected (\d+) arguments? but got (\d+)/.exec(error.message) ?? [];
      return new UserError({
        expected: `at most ${expected} argument${expected === "1" ? "" : "s"}`,
        received: String(received),
        remedy: help,
      });
    }
    case "commander.invalidArgument":
      return invalidValue(error.message, help);
    default:
      return new UserError({ expected: "a command line that can be read", received: error.message, remedy: help });
  }
}

/** @param name what was given where a command is expected */
export function unknownCommand(name: string, program: Command): UserError {
  const names = program.commands.map((known) => known.name());
  const near = nearest(name, names);
  return new UserError({
    expected: `a command (${names.join(", ")})`,
    received: `"${name}"`,
    remedy: near ? `did you mean ${near}?` : "see repvgg --help",
  });
}

function invalidValue(message: string, help: string): UserError {
  const [, flags = "", value = "", wanted = ""] =
    /option '(.*?)' argument '(.*)' is invalid\. (.*)$/s.exec(message) ?? [];
  const choices = /^Allowed choices are (.*)\.$/.exec(wanted)?.[1]?.split(", ");
  const near = choices && nearest(value, choices);
  return new UserError({
    expected: `${longFlag(flags)} to be ${choices ? choices.join(" or ") : wanted}`,
    received: `"${value}"`,
    remedy: near ? `did you mean ${near}?` : help,
  });
}

/** "-o, --output <file>" → "--output" */
function longFlag(flags: string): string {
  return /--[\w-]+/.exec(flags)?.[0] ?? flags;
}

function longFlags(command: Command): string[] {
  return [...command.options.map((option) => longFlag(option.flags)), "--help"];
}
