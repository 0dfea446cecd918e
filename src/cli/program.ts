import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { ablateCommand } from "./ablate.js";
import { benchCommand } from "./bench.js";
import { dataCommand } from "./data.js";
import { evalCommand } from "./eval.js";
import { exportCommand } from "./export.js";
import { foldCommand } from "./fold.js";
import { infoCommand } from "./info.js";
import { playgroundCommand } from "./playground.js";
import { predictCommand } from "./predict.js";
import { profileCommand } from "./profile.js";
import { pullCommand } from "./pull.js";
import { quickstartCommand } from "./quickstart.js";
import { trainCommand } from "./train.js";
import { usageError } from "./usage.js";
import { verifyCommand } from "./verify.js";

const commands = [
  quickstartCommand,
  trainCommand,
  evalCommand,
  ablateCommand,
  foldCommand,
  verifyCommand,
  exportCommand,
  predictCommand,
  profileCommand,
  benchCommand,
  infoCommand,
  dataCommand,
  pullCommand,
  playgroundCommand,
];

const epilogue = `
Errors are one line: what was expected, received and what to do; under --json the same as {"error": …} on standard error. Exit codes: 0 done, 1 wrong input, 2 verification failed, 70 a bug of ours, 130 interrupted.
Begin with: repvgg quickstart`;

/** The command line as data, ready to parse; it throws CommanderErrors and never writes them. */
export function createProgram(): Command {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  const program = quiet(new Command("repvgg"))
    .description(
      "Train a multi-branch RepVGG, fold it into a plain stack of 3×3 convolutions, verify, and run it fast.",
    )
    .version(version)
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .addHelpText("after", epilogue);
  for (const command of commands) program.addCommand(quiet(command()));
  return program;
}

/**
 * Does what a command line asks for.
 * @param args without the program's own name
 * @throws UserError for a wrong command line or wrong input, VerificationError where outputs differ; anything else is a bug.
 */
export async function runCommand(args: readonly string[]): Promise<void> {
  const program = createProgram();
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
