#!/usr/bin/env node
import { CommanderError } from "commander";
import { UserError, VerificationError } from "../core/errors.js";
import { describeBug } from "./format.js";
import { createProgram } from "./program.js";
import { usageError } from "./usage.js";

/** Besides 0, done, and 130, interrupted (interrupt.ts). 70 is sysexits' EX_SOFTWARE. */
const exitCode = { userError: 1, verificationFailed: 2, bug: 70 } as const;

async function main(args: readonly string[]): Promise<void> {
  const program = createProgram();
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode !== 0 && error.code !== "commander.help") throw usageError(error, program, args);
  }
}

function report(error: unknown): number {
  if (error instanceof UserError) {
    process.stderr.write(`repvgg: ${error.message}\n`);
    return error instanceof VerificationError ? exitCode.verificationFailed : exitCode.userError;
  }
  process.stderr.write(`repvgg: this is a bug, please report it with the lines below\n${describeBug(error)}\n`);
  return exitCode.bug;
}

// A reader that has seen enough (repvgg info | head) closes the pipe.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? 0 : report(error));
});
process.on("uncaughtException", (error) => process.exit(report(error)));

try {
  await main(process.argv.slice(2));
} catch (error) {
  process.exitCode = report(error);
}
