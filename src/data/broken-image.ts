import { FormatError } from "../core/errors.js";

/** A picture that cannot be decoded. Lenient data sets skip it, strict ones stop at it. */
export class BrokenImageError extends FormatError {
  readonly file: string;
  readonly reason: string;

  constructor(file: string, reason: string, options?: ErrorOptions) {
    super(
      {
        expected: "a JPEG, PNG or WebP picture",
        received: `${file} (${reason})`,
        remedy: "replace or remove the file",
      },
      options,
    );
    this.file = file;
    this.reason = reason;
  }
}
