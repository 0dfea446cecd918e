import { readFileSync, statSync } from "node:fs";
import { FormatError, UserError } from "../core/errors.js";
import { describeSystemError } from "../core/system-errors.js";

/** Bytes of a list: some millions of lines. */
const mostBytes = 2 ** 28;

/**
 * The text of a list of labels: UTF-8, or UTF-16 with a byte order mark.
 * @param kindOf what a file is by its first bytes, in words
 * @throws UserError where it cannot be read or is too long; FormatError where it is no text
 */
export function listText(path: string, kindOf: (path: string) => string): string {
  let bytes: Uint8Array;
  try {
    const { size } = statSync(path);
    if (size > mostBytes) {
      const mega = (n: number): string => `${Math.floor(n / 2 ** 20)} MiB`;
      throw new UserError({
        expected: `a list of labels of at most ${mega(mostBytes)}`,
        received: `${path}, ${mega(size)}`,
        remedy: "divide it, or put the pictures into class folders",
      });
    }
    bytes = readFileSync(path);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(
      {
        expected: "a list of labels (CSV)",
        received: `${path} (${describeSystemError(error)})`,
        remedy: "check the path",
      },
      { cause: error },
    );
  }
  const wide =
    bytes[0] === 0xff && bytes[1] === 0xfe
      ? "utf-16le"
      : bytes[0] === 0xfe && bytes[1] === 0xff
        ? "utf-16be"
        : undefined;
  const refused = (received: string, remedy: string): FormatError =>
    new FormatError({ expected: `text in ${path}: lines with separators`, received, remedy });
  if (bytes.length === 0) throw refused("an empty file", "write a line path,label and one for each picture");
  let text: string;
  try {
    text = new TextDecoder(wide ?? "utf-8", { fatal: true }).decode(bytes);
  } catch {
    const name = kindOf(path);
    throw refused(
      /text|unknown/.test(name) ? "bytes of another encoding than UTF-8" : name,
      "save the table as CSV in UTF-8",
    );
  }
  if (text.includes("\0")) throw refused("bytes that are no text", "save the table as CSV in UTF-8");
  return text;
}
