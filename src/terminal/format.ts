import { inspect } from "node:util";

export * from "../core/format.js";

/** A stack for bugs, whatever was thrown. */
export function describeBug(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : inspect(error);
}
