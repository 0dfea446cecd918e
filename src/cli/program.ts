import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { withConfiguration } from "../flags/configured.js";
import { unknownCommand, usageError } from "../flags/usage.js";
import { explainNamedFileError } from "../formats/file-errors.node.js";
import { type Ending, endings, exitCodes } from "../terminal/exit-codes.js";
import { type CommandEntry, commandEntries } from "./commands.js";
import { sayKernels } from "./say-kernels.js";

const codes = Object.entries(exitCodes)
  .map(([ending, code]) => `${code} ${endings[ending as Ending]}`)
  .join(", ");

const epilogue = `
Errors are one line: what was expected, received and what to do; under --json the same as {"error": …} on standard error. Exit codes: ${codes}.
Begin with: repvgg quickstart`;

/**
 * The command line as data, ready to parse; it throws CommanderErrors and never writes them.
 * @param args what will be parsed: only the command that it asks for gets its options and action. Without it all do.
 */
export async function createProgram(args?: readonly string[]): Promise<Command> {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  const program = quiet(new Command("repvgg"))
    .description(
      "Train a multi-branch RepVGG, fold it into a plain stack of 3×3 convolutions, verify, and run it fast.",
    )
    .version(version)
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .addHelpText("after", epilogue)
    .hook("preAction", (_, command) => sayKernels(command));
  for (const entry of commandEntries) {
    const wanted = !args || askedFor(args) === entry.name;
    if (wanted && entry.nested) program.enablePositionalOptions();
    const command = wanted ? (await entry.load())() : unloaded(entry);
    program.addCommand(quiet(command.summary(entry.summary)));
  }
  return program;
}

/** The name of the command, also in `help NAME`. The program's own options take no values. */
function askedFor(args: readonly string[]): string | undefined {
  const names = args.filter((arg) => !arg.startsWith("-"));
  return names[0] === "help" ? names[1] : names[0];
}

/** Its place in the list of commands. */
function unloaded({ name }: CommandEntry): Command {
  return new Command(name);
}

/**
 * Does what a command line asks for.
 * @param args without the program's own name
 * @throws UserError for a wrong command line or wrong input, VerificationError where outputs differ; anything else is a bug.
 */
export async function runCommand(args: readonly string[]): Promise<void> {
  const program = await createProgram(args);
  checkHelp(args, program);
  try {
    await program.parseAsync(await configured(args), { from: "user" });
  } catch (error) {
    // What nobody on the way has put into words: a path that cannot be looked at is no bug.
    if (!(error instanceof CommanderError)) throw explainNamedFileError(error);
    if (error.exitCode !== 0 && error.code !== "commander.help") throw usageError(error, program, args);
  }
}

/** The command line with the options of its configuration file, where it names one. */
async function configured(args: readonly string[]): Promise<readonly string[]> {
  const entry = commandEntries.find(({ name }) => name === askedFor(args));
  const at = entry ? args.indexOf(entry.name) + 1 : 0;
  if (!entry?.configurable || args.includes("--help")) return args;
  return [...args.slice(0, at), ...(await withConfiguration(args.slice(at), quiet((await entry.load())())))];
}

/** @throws UserError for help of a command that there is not: commander shows the list, as if nothing were wrong. */
function checkHelp(args: readonly string[], program: Command): void {
  const [first, name] = args.filter((arg) => !arg.startsWith("-"));
  if (first !== "help" || name === undefined || name === "help") return;
  if (!program.commands.some((known) => known.name() === name)) throw unknownCommand(name, program);
}

function quiet(command: Command): Command {
  return command
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .showSuggestionAfterError(false);
}
