import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { type CommandEntry, commandEntries } from "./commands.js";
import { sayKernels } from "./say-kernels.js";
import { usageError } from "./usage.js";

const epilogue = `
Errors are one line: what was expected, received and what to do; under --json the same as {"error": …} on standard error. Exit codes: 0 done, 1 wrong input, 2 verification failed, 70 a bug of ours, 130 interrupted.
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
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode !== 0 && error.code !== "commander.help") throw usageError(error, program, args);
  }
}

function quiet(command: Command): Command {
  return command
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .showSuggestionAfterError(false);
}
