import { UserError } from "../core/errors.js";

/** A graph that is no valid ONNX file. */
export function notWritten(expected: string, received: string): UserError {
  return new UserError({ expected, received, remedy: "the file would not be valid, and is not written" });
}
