import type { UserError } from "../core/errors.js";

/** An error as data. */
export interface ErrorRecord {
  readonly expected: string;
  readonly received: string;
  /** What to do; null where nothing is known. */
  readonly remedy: string | null;
}

export function errorParts({ expected, received, remedy }: UserError): ErrorRecord {
  return { expected, received, remedy: remedy ?? null };
}

/** An error as the one line that --json writes to standard error. @param kind the error's class, or "bug" */
export function jsonError(kind: string, message: string, parts?: ErrorRecord): string {
  return `${JSON.stringify({ error: { kind, ...parts, message } })}\n`;
}
