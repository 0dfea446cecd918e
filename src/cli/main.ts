#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { nearest, UserError, VerificationError } from "../core/errors.js";
import { dataCommand } from "./data.js";
import { evalCommand } from "./eval.js";
import { foldCommand } from "./fold.js";
import { infoCommand } from "./info.js";
import { predictCommand } from "./predict.js";
import { quickstartCommand } from "./quickstart.js";
import { describeBug } from "./terminal.js";
import { trainCommand } from "./train.js";
import { verifyCommand } from "./verify.js";

/** Exit codes: 0 done, 1 a user's error, 2 verification failed, 70 a bug (sysexits' EX_SOFTWARE). */
const exitCode = { userError: 1, verificationFailed: 2, bug: 70, interrupted: 130 } as const;

const commands = [
  quickstartCommand,
  trainCommand,
  evalCommand,
  foldCommand,
  verifyCommand,
  predictCommand,
  infoCommand,
  dataCommand,
];

async function main(argv: readonly string[]): Promise<number> {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  const program = new Command("repvgg")
    .description(
      "Train a multi-branch RepVGG, fold it into a plain stack of 3×3 convolutions, verify, and run it fast.",
    )
    .version(version)
    .exitOverride()
    .configureOutput({ outputError: () => {} }) // errors are written once, below
    .showSuggestionAfterError(false);
  for (const command of commands)
    program.addCommand(
      command()
        .exitOverride()
        .configureOutput({ outputError: () => {} }),
    );
  try {
    await program.parseAsync(argv);
    return Number(process.exitCode ?? 0);
  } catch (error) {
    return report(error, program, argv);
  }
}

function report(error: unknown, program: Command, argv: readonly string[]): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0 || error.code === "commander.help") return 0;
    process.stderr.write(`repvgg: ${usageMessage(error, program, argv)}\n`);
    return exitCode.userError;
  }
  if (error instanceof UserError) {
    process.stderr.write(`repvgg: ${error.message}\n`);
    return error instanceof VerificationError ? exitCode.verificationFailed : exitCode.userError;
  }
  process.stderr.write(`repvgg: this is a bug, please report it with the lines below\n${describeBug(error)}\n`);
  return exitCode.bug;
}

/** Commander's message as one line of ours: what was expected, what was received, what to do. */
function usageMessage(error: CommanderError, program: Command, argv: readonly string[]): string {
  const received = /'([^']*)'/.exec(error.message)?.[1] ?? "";
  const command = program.commands.find((c) => argv.slice(2).includes(c.name()));
  const help = `repvgg ${command ? `${command.name()} ` : ""}--help lists them`;
  if (error.code === "commander.unknownOption") {
    const known = [...(command ?? program).options, ...program.options].map((o) => o.long ?? "");
    const near = nearest(received, known);
    return new UserError({ expected: "a known option", received, remedy: near ? `did you mean ${near}?` : help })
      .message;
  }
  if (error.code === "commander.unknownCommand") {
    const near = nearest(
      received,
      program.commands.map((c) => c.name()),
    );
    return new UserError({
      expected: "a command",
      received: `"${received}"`,
      remedy: near ? `did you mean ${near}?` : "repvgg --help lists them",
    }).message;
  }
  return error.message.replace(/^error: /, "");
}

process.on("SIGPIPE", () => process.exit(0));
process.exitCode = await main(process.argv);
