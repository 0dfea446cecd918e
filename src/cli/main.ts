#!/usr/bin/env node
import { UserError, VerificationError } from "../core/errors.js";
import { errorParts, jsonError } from "../terminal/error-json.js";
import { exitCodes } from "../terminal/exit-codes.js";
import { describeBug } from "../terminal/format.js";
import { endProgress } from "../terminal/progress.js";

/** The oldest Node that runs this package: `engines` of package.json. */
const oldestNode = [20, 19] as const;

/** Under --json errors are JSON too: one line on standard error, so that standard output holds results only. */
const json = process.argv.includes("--json");

function report(error: unknown): number {
  endProgress();
  process.stderr.write((json && asJson(error)) || asLines(error));
  if (!(error instanceof UserError)) return exitCodes.bug;
  return error instanceof VerificationError ? exitCodes.verificationFailed : exitCodes.userError;
}

function asLines(error: unknown): string {
  if (error instanceof UserError) return `repvgg: ${error.message}\n`;
  return `repvgg: this is a bug, please report it with the lines below\n${describeBug(error)}\n`;
}

/** Undefined where not even that can be written: an error is told in any case. */
function asJson(error: unknown): string | undefined {
  try {
    if (error instanceof UserError) return jsonError(error.name, error.message, errorParts(error));
    return jsonError("bug", describeBug(error));
  } catch {
    return undefined;
  }
}

/** @throws UserError in a Node that lacks what the other modules are written with: so none of them is loaded before. */
function checkNode(): void {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])) return;
  throw new UserError({
    expected: `Node ${oldestNode.join(".")} or later`,
    received: `Node ${process.versions.node}`,
    remedy: "install a newer one from https://nodejs.org",
  });
}

process.on("exit", () => endProgress());
// A reader that has seen enough (repvgg info | head) closes the pipe.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? 0 : report(error));
});
process.on("uncaughtException", (error) => process.exit(report(error)));

try {
  checkNode();
  const { runCommand } = await import("./program.js");
  await runCommand(process.argv.slice(2));
} catch (error) {
  process.exitCode = report(error);
}
