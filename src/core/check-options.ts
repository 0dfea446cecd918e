import { nearest, UserError } from "./errors.js";

/**
 * Options as JavaScript gives them: what is misspelt would be ignored without a word.
 * @param known names of the options that there are
 * @param of whose they are, for the message: "predict"
 * @throws UserError for what is no object, or has other names.
 */
export function checkOptions(options: unknown, known: readonly string[], of: string): void {
  if (options === undefined) return;
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new UserError({ expected: `options of ${of}: { ${known.join(", ")} }`, received: String(options) });
  }
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const near = nearest(unknown, known);
  throw new UserError({
    expected: `options of ${of}: ${known.join(", ")}`,
    received: `"${unknown}"`,
    remedy: near ? `did you mean "${near}"?` : "leave it out",
  });
}

/** @throws UserError unless the option is absent or a whole number in [low, high]. */
export function checkWhole(name: string, value: unknown, low: number, high = Number.MAX_SAFE_INTEGER): void {
  if (value === undefined || (Number.isInteger(value) && (value as number) >= low && (value as number) <= high)) return;
  const range = high === Number.MAX_SAFE_INTEGER ? `from ${low}` : `from ${low} to ${high}`;
  throw new UserError({
    expected: `${name} as a whole number ${range}`,
    received: typeof value === "string" ? `"${value}"` : String(value),
  });
}

/** @throws UserError unless it is absent or an AbortSignal. */
export function checkSignal(signal: unknown): void {
  if (signal === undefined || signal instanceof AbortSignal) return;
  throw new UserError({
    expected: "signal as an AbortSignal",
    received: typeof signal,
    remedy: "pass controller.signal, or AbortSignal.timeout(milliseconds)",
  });
}
