import { open, rm } from "node:fs/promises";
import { basename } from "node:path";
import { UserError } from "../core/errors.js";
import { writeFileAtomically } from "../formats/atomic-write.node.js";
import { type Beside, besideFrom, isSidecar, nothingBeside, sidecarPath } from "./sidecar.js";

/** A config with 20,000 class names has less than 1 MB. */
const mostBytes = 16e6;

/** What the file beside some weights says; undefined where there is none. */
export async function readBeside(path: string): Promise<Beside | undefined> {
  const beside = sidecarPath(path);
  const text = await textOf(beside);
  if (typeof text === "string") return besideFrom(text, basename(beside));
  return text && (() => nothingBeside(`${basename(beside)} beside it ${text.obstacle}: not used`));
}

/** @throws UserError where the sidecar of a file that will be written would replace something of another kind. */
export async function checkBeside(path: string): Promise<void> {
  const beside = sidecarPath(path);
  const text = await textOf(beside);
  if (text === undefined || (typeof text === "string" && isSidecar(text))) return;
  throw new UserError({
    expected: `${beside} to be free for the class names and preprocessing of ${path}`,
    received: "a file of another kind",
    remedy: "write to another name, or move that file away",
  });
}

/** Writes what belongs beside a file, once that is written. */
export async function writeBeside(path: string, text: string): Promise<void> {
  await writeFileAtomically(sidecarPath(path), text);
}

/** Removes what an earlier file of this name has beside it: from now on it is not true. */
export async function removeBeside(path: string): Promise<void> {
  const beside = sidecarPath(path);
  const there = await textOf(beside);
  if (typeof there === "string" && isSidecar(there)) await rm(beside, { force: true });
}

async function textOf(path: string): Promise<string | { readonly obstacle: string } | undefined> {
  const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => error);
  if (file instanceof Error)
    return file.code === "ENOENT" || file.code === "ENOTDIR" ? undefined : { obstacle: "cannot be read" };
  try {
    const stat = await file.stat();
    if (!stat.isFile()) return { obstacle: "is no file" };
    if (stat.size > mostBytes) return { obstacle: `has more than ${mostBytes / 1e6} MB` };
    return await file.readFile("utf8");
  } catch {
    return { obstacle: "cannot be read" };
  } finally {
    await file.close();
  }
}
