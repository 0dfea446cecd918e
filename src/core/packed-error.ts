import { type ErrorParts, FormatError, ShapeError, UserError, VerificationError } from "./errors.js";

/** An error as plain data, for another thread or process: a clone of an error loses its class. */
export interface PackedError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly parts: ErrorParts | undefined;
}

export function packError(error: unknown): PackedError {
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  if (!(error instanceof UserError)) return { name, message, stack, parts: undefined };
  const { expected, received, remedy } = error;
  return {
    name,
    message,
    stack,
    parts: remedy === undefined ? { expected, received } : { expected, received, remedy },
  };
}

/** The error again: of its own class where a user can mend it. */
export function unpackError({ name, message, stack, parts }: PackedError): Error {
  if (parts) {
    const Kind = { FormatError, ShapeError, VerificationError }[name] ?? UserError;
    return new Kind(parts);
  }
  if (name === "AbortError") return new DOMException(message, name);
  const error = Object.assign(new Error(message), { name });
  if (stack !== undefined) error.stack = stack;
  return error;
}
