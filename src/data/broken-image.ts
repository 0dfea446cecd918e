import { FormatError } from "../core/errors.js";
import { readFormats } from "./file-kind.js";

/** A picture that cannot be decoded. Lenient data sets skip it, strict ones stop at it. */
export class BrokenImageError extends FormatError {
  readonly file: string;
  readonly reason: string;

  /** @param remedy where another one helps than to replace the file */
  constructor(file: string, reason: string, { remedy, ...options }: ErrorOptions & { readonly remedy?: string } = {}) {
    super(
      {
        expected: `a ${readFormats} picture`,
        received: `${file} (${reason})`,
        remedy: remedy ?? "replace or remove the file",
      },
      options,
    );
    this.file = file;
    this.reason = reason;
  }
}
