import { closeSync, type Dirent, openSync, readdirSync, readSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { describeSystemError } from "../core/system-errors.js";
import { unreadable } from "./decode.node.js";
import { describeKind, type FileKind, fileKind, hasPictureName, type PictureFormat, sniffBytes } from "./file-kind.js";
import type { IgnoredTally } from "./ignored-files.js";

/** The entries of a folder. @throws UserError where it cannot be read */
export function entriesOf(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch (error) {
    throw unreadable(path, "a folder of pictures", error);
  }
}

/** What an entry is, or what it links to. */
export function kindOf(folder: string, entry: Dirent): "folder" | "file" | "other" {
  const stat = entry.isSymbolicLink() ? statSync(join(folder, entry.name), { throwIfNoEntry: false }) : entry;
  return stat?.isDirectory() ? "folder" : stat?.isFile() ? "file" : "other";
}

/** Paths of the visible files, sorted. Links to folders within a class are not followed: they and what is hidden is counted. */
export function filesBelow(folder: string, ignored: IgnoredTally): string[] {
  const paths: string[] = [];
  const folders = [folder];
  for (let at = folders.pop(); at !== undefined; at = folders.pop()) {
    for (const entry of entriesOf(at)) {
      const path = join(at, entry.name);
      const kind = kindOf(at, entry);
      const unseen = whyUnseen(entry, kind);
      if (unseen !== undefined) ignored.add(unseen, path);
      else if (kind === "folder") folders.push(path);
      else paths.push(path);
    }
  }
  return paths.sort();
}

/** Why an entry of a folder is not looked into; undefined where it is. */
export function whyUnseen(entry: Dirent, kind: "folder" | "file" | "other"): string | undefined {
  if (entry.name.startsWith(".")) return `hidden ${kind === "folder" ? "folder" : "file"}`;
  if (kind === "folder") return entry.isSymbolicLink() ? "link to a folder" : undefined;
  return kind === "file" ? undefined : entry.isSymbolicLink() ? "link to nothing" : "device or the like";
}

/** What a file is for a reader of pictures. */
export type Look =
  | { readonly is: "picture"; readonly format: PictureFormat }
  /** A picture by its name only. */
  | { readonly is: "broken"; readonly reason: string }
  /** Something that nobody meant to be read. */
  | { readonly is: "other"; readonly reason: string; readonly convertible: boolean };

/** What a file is for a reader of pictures, from its name and its first bytes. */
export function lookAt(file: string): Look {
  const named = hasPictureName(file);
  let kind: FileKind;
  try {
    kind = sniff(file);
  } catch (error) {
    return { is: "broken", reason: describeSystemError(error) };
  }
  const { format, name, convertible } = kind;
  if (format) {
    const ending = /[^.]\.([^.]{1,10})$/.exec(basename(file))?.[1];
    if (named || ending === undefined) return { is: "picture", format };
    return { is: "other", reason: `${format} named .${ending}`, convertible: true };
  }
  if (named) return { is: "broken", reason: describeKind(kind) };
  return { is: "other", reason: name, convertible };
}

/** As {@link sniff}, for files of which nothing is expected. */
export function kindOfFile(file: string): FileKind {
  try {
    return sniff(file);
  } catch {
    return { name: "unreadable file", convertible: false };
  }
}

/** What a file is by its first bytes. @throws the system's error where it cannot be opened. */
function sniff(file: string): FileKind {
  const head = new Uint8Array(sniffBytes);
  const descriptor = openSync(file, "r");
  try {
    return fileKind(head.subarray(0, readSync(descriptor, head, 0, sniffBytes, 0)), file);
  } finally {
    closeSync(descriptor);
  }
}
