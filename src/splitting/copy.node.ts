import { constants, readdirSync, statSync } from "node:fs";
import { copyFile, mkdir, open, readdir, rename, rm, rmdir } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, extname, join, resolve, sep } from "node:path";
import { UserError } from "../core/errors.js";
import { isRunning } from "../core/is-running.node.js";
import { syncFolder } from "../formats/atomic-write.node.js";
import { explainFileError } from "../formats/file-errors.node.js";
import type { PartName } from "./parts.js";

/** A picture, and the part to which it came. */
export interface PlacedPicture {
  /** Below the data set's folder, or beside it. */
  readonly file: string;
  readonly className: string;
  readonly part: PartName;
}

/** Files that are copied side by side. */
const concurrency = 8;

/** @throws UserError for a folder in which something is */
export function checkNewFolder(path: string): void {
  const refused = (received: string): UserError =>
    new UserError({
      expected: "a folder that is new or empty",
      received,
      remedy: "nothing is overwritten: name another one, or empty it",
    });
  const there = statSync(path, { throwIfNoEntry: false });
  if (there && !there.isDirectory()) throw refused(`${path}, a file`);
  if (there && readdirSync(path).length > 0) throw refused(`${path}, in which something is`);
}

/**
 * Copies pictures to `out/part/class/…`, whole or not at all: into a hidden folder beside `out`, each file flushed to the disk, which
 * is renamed when it is complete. What a killed process left of such a folder the next one removes.
 * @param folder from which the pictures' paths go on
 * @throws UserError for a class whose name is no folder's, or what cannot be read or written; the signal's reason
 */
export async function copyParts(
  folder: string,
  placed: readonly PlacedPicture[],
  out: string,
  {
    signal,
    onCopy,
  }: {
    readonly signal?: AbortSignal | undefined;
    readonly onCopy?: ((done: number, total: number) => void) | undefined;
  },
): Promise<void> {
  const names = namesIn(placed);
  const target = resolve(out);
  const temporary = join(dirname(target), `.${basename(target)}.${host}.${process.pid}.partial`);
  try {
    await mkdir(dirname(target), { recursive: true });
    await removeAbandoned(target);
    await mkdir(temporary);
    try {
      const folders = new Set<string>();
      for (const name of names) {
        for (let at = dirname(name); at !== "."; at = dirname(at)) folders.add(join(temporary, at));
      }
      for (const made of [...folders].sort()) await mkdir(made);
      let next = 0;
      let done = 0;
      const copier = async (): Promise<void> => {
        while (next < names.length) {
          signal?.throwIfAborted();
          const i = next++;
          await copyWhole(resolve(folder, placed[i]!.file), join(temporary, names[i]!));
          onCopy?.(++done, names.length);
        }
      };
      const results = await Promise.allSettled(Array.from({ length: concurrency }, copier));
      for (const result of results) if (result.status === "rejected") throw result.reason;
      for (const made of folders) await syncFolder(made);
      await syncFolder(temporary);
      await rmdir(target).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOENT") throw error;
      });
      await rename(temporary, target);
    } catch (error) {
      await rm(temporary, { recursive: true, force: true });
      throw error;
    }
    await syncFolder(dirname(target));
  } catch (error) {
    throw explainFileError("write", out, error);
  }
}

async function copyWhole(from: string, to: string): Promise<void> {
  try {
    await copyFile(from, to, constants.COPYFILE_EXCL);
  } catch (error) {
    throw explainFileError("write", `a copy of ${from}`, error);
  }
  // Windows flushes only what may be written.
  const file = await open(to, process.platform === "win32" ? "r+" : "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Paths below the output, each another one also where capitals do not count. @throws UserError for a class that cannot be a folder */
function namesIn(placed: readonly PlacedPicture[]): string[] {
  const taken = new Set<string>();
  return placed.map(({ file, className, part }) => {
    if (/[/\0]|^\./.test(className) || className.includes(sep)) {
      throw new UserError({
        expected: "classes with names that visible folders can have",
        received: JSON.stringify(className),
        remedy: "rename the class, or write a list (--manifest)",
      });
    }
    // Listed files may be called alike in different folders, and hidden ones would not be seen again.
    const below = file.startsWith(className + sep)
      ? file.slice(className.length + 1)
      : basename(file).replace(/^\.+/, "");
    const ending = extname(below);
    const stem = join(part, className, below.slice(0, below.length - ending.length));
    for (let count = 1; ; count++) {
      const name = `${stem}${count === 1 ? "" : `-${count}`}${ending}`;
      if (taken.has(name.toLowerCase())) continue;
      taken.add(name.toLowerCase());
      return name;
    }
  });
}

const host = hostname().replace(/[^\w-]/g, "_");

/** Removes hidden folders of processes that are no more. */
async function removeAbandoned(target: string): Promise<void> {
  for (const name of await readdir(dirname(target))) {
    const prefix = `.${basename(target)}.${host}.`;
    const pid = name.startsWith(prefix) && /^(\d+)\.partial$/.exec(name.slice(prefix.length))?.[1];
    if (pid && (Number(pid) === process.pid || !isRunning(Number(pid)))) {
      await rm(join(dirname(target), name), { recursive: true, force: true });
    }
  }
}
