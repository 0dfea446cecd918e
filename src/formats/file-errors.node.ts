import { UserError } from "../core/errors.js";
import { describeSystemError } from "../core/system-errors.js";

const remedies: Readonly<Record<string, string>> = {
  ENOSPC: "free some disk space, or write to another disk",
  EDQUOT: "free some space, or write elsewhere",
  EFBIG: "the file system or a limit (ulimit -f) does not take files this large",
  EROFS: "write elsewhere",
  EACCES: "check the permissions of the file and its folder",
  EPERM: "check the permissions of the file and its folder",
  ENOENT: "check the path; the folder must exist",
  ENOTDIR: "check the path: a part of it is a file",
  EISDIR: "name a file in it",
  EMFILE: "raise the limit (ulimit -n)",
  EIO: "try again, or use another disk",
};

/** A failed file operation as one line for the user; errors that are not the file system's pass through. */
export function explainFileError(action: "read" | "write", path: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (error instanceof UserError || typeof code !== "string" || !(code in remedies)) return error;
  const parts = { expected: `to ${action} ${path}`, received: describeSystemError(error), remedy: remedies[code]! };
  return new UserError(parts, { cause: error });
}
