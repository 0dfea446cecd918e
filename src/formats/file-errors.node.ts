import { UserError } from "../core/errors.js";

const remedies: Readonly<Record<string, string>> = {
  ENOSPC: "free some disk space, or write to another disk",
  EDQUOT: "your disk quota is used up; free some space, or write elsewhere",
  EFBIG: "the file system or a limit (ulimit -f) does not take files this large",
  EROFS: "the file system is read-only; write elsewhere",
  EACCES: "check the permissions of the file and its folder",
  EPERM: "check the permissions of the file and its folder",
  ENOENT: "check the path; the folder must exist",
  ENOTDIR: "a part of the path is a file, not a folder",
  EISDIR: "that is a folder; name a file",
  EMFILE: "too many files are open; raise the limit (ulimit -n)",
  EIO: "the disk reports an error",
};

/** A failed file operation as one line for the user; errors that are not the file system's pass through. */
export function explainFileError(action: "read" | "write", path: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (error instanceof UserError || typeof code !== "string" || !(code in remedies)) return error;
  return new UserError({ expected: `to ${action} ${path}`, received: code, remedy: remedies[code]! }, { cause: error });
}
