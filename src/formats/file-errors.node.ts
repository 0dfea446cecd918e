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
  ENAMETOOLONG: "name a shorter path",
  ELOOP: "check the links that the path goes through",
  EXDEV: "name a path on the same disk",
  ENXIO: "name a file",
};

/** Codes of failures that are a program's, not the file system's. */
const bugs: ReadonlySet<string> = new Set(["EBADF", "EFAULT"]);

/** Operations that change files; all others read. */
const writing: ReadonlySet<string> = new Set([
  "mkdir",
  "mkdtemp",
  "write",
  "rename",
  "unlink",
  "rm",
  "rmdir",
  "copyfile",
  "ftruncate",
  "symlink",
  "link",
]);

/** A failed file operation as one line for the user; errors that are not the file system's pass through. */
export function explainFileError(action: "read" | "write", path: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (error instanceof UserError || typeof code !== "string") return error;
  if (!(code in remedies) && !isFileError(error)) return error;
  const remedy = remedies[code] ?? "check the path";
  return new UserError(
    { expected: `to ${action} ${path}`, received: describeSystemError(error), remedy },
    { cause: error },
  );
}

/** {@link explainFileError} of an error that names its file and what was done with it; all others pass through. */
export function explainNamedFileError(error: unknown): unknown {
  if (!isFileError(error) || typeof error.path !== "string" || error.path === "") return error;
  return explainFileError(writing.has(error.syscall!) ? "write" : "read", error.path, error);
}

/** Whether the file system refused something. Only its errors name a system call. */
function isFileError(error: unknown): error is NodeJS.ErrnoException {
  const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException;
  return typeof code === "string" && typeof syscall === "string" && code.startsWith("E") && !bugs.has(code);
}

/** What is said of a folder or a device where a file should be. */
export function noFile(path: string): UserError {
  return new UserError({
    expected: "a file",
    received: `${path}, which is not one`,
    remedy: "name a file in it, or another one",
  });
}
