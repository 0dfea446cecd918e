#!/usr/bin/env node
import { UserError, VerificationError } from "../core/errors.js";
import { errorParts, jsonError } from "./error-json.js";
import { describeBug } from "./format.js";
import { runCommand } from "./program.js";

/** Besides 0, done, and 130, interrupted (interrupt.ts). 70 is sysexits' EX_SOFTWARE. */
const exitCode = { userError: 1, verificationFailed: 2, bug: 70 } as const;

/** Under --json errors are JSON too: one line on standard error, so that standard output holds results only. */
const json = process.argv.includes("--json");

function report(error: unknown): number {
  if (error instanceof UserError) {
    process.stderr.write(json ? jsonError(error.name, error.message, errorParts(error)) : `repvgg: ${error.message}\n`);
    return error instanceof VerificationError ? exitCode.verificationFailed : exitCode.userError;
  }
  if (json) {
    process.stderr.write(jsonError("bug", describeBug(error)));
    return exitCode.bug;
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
  await runCommand(process.argv.slice(2));
} catch (error) {
  process.exitCode = report(error);
}
