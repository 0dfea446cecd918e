import { closeSync, type Dirent, openSync, readdirSync, readSync, statSync } from "node:fs";
import { basename, join, relative, resolve, sep } from "node:path";
import { UserError } from "../core/errors.js";
import { describeSystemError } from "../core/system-errors.js";
import { BrokenImageError } from "./broken-image.js";
import type { Dataset, FolderSource, IgnoredFiles, Image, SkippedFile } from "./dataset.js";
import { decodeImage, unreadable, unreadFormat } from "./decode.node.js";
import { describeKind, type FileKind, fileKind, hasPictureName, readFormats, sniffBytes } from "./file-kind.js";
import { IgnoredTally } from "./ignored-files.js";

/** Pictures in files, one folder per class. */
class FolderDataset implements Dataset {
  readonly source: FolderSource;
  readonly skipped: readonly SkippedFile[];
  readonly ignored: readonly IgnoredFiles[];

  constructor(source: FolderSource, skipped: readonly SkippedFile[], ignored: readonly IgnoredFiles[]) {
    this.source = source;
    this.skipped = skipped;
    this.ignored = ignored;
  }

  get name(): string {
    return this.source.name;
  }

  get classNames(): readonly string[] {
    return this.source.classNames;
  }

  get channels(): 1 | 3 {
    return this.source.channels;
  }

  get length(): number {
    return this.source.files.length;
  }

  label(index: number): number {
    return this.source.labels[index]!;
  }

  read(index: number): Promise<Image> {
    return decodeImage(join(this.source.path, this.source.files[index]!));
  }

  select(indices: ArrayLike<number>, name = this.name): Dataset {
    const chosen = Array.from(indices);
    const files = chosen.map((index) => this.source.files[index]!);
    const labels = Int32Array.from(chosen, (index) => this.source.labels[index]!);
    return new FolderDataset({ ...this.source, name, files, labels }, this.skipped, this.ignored);
  }
}

/**
 * Opens a folder of pictures, `class/picture.jpg` (JPEG, PNG, WebP, GIF, AVIF, TIFF, HEIC where it can be decoded; deeper folders
 * within a class count to it). Classes and files are sorted by name (code units). The first bytes of each file are checked now;
 * damage further in shows when a picture is read. A picture is told by its name's ending, or by its bytes where the name has none;
 * everything else, hidden files too, is counted in `ignored`.
 * @param options.strict a broken file, or one that cannot be decoded, is an error: else it is listed in `skipped` or counted in
 *   `ignored`, and has no index
 * @param options.within the folder that is divided into splits, of which `path` is one: what lies beside them is counted too
 * @throws UserError for a missing folder, no class folders, fewer than two classes, a class without pictures
 */
export async function openFolder(
  path: string,
  options: { strict?: boolean; name?: string; within?: { root: string; splits: readonly string[] } } = {},
): Promise<Dataset> {
  const { strict = false, within } = options;
  const root = resolve(path);
  const classNames = subfolders(root);
  checkClasses(root, classNames);
  const ignored = new IgnoredTally(root);
  if (within) countBeside(within.root, within.splits, ignored, "beside the splits");
  countBeside(root, classNames, ignored, "in no class folder");
  const files: string[] = [];
  const labels: number[] = [];
  const skipped: SkippedFile[] = [];
  classNames.forEach((className, label) => {
    const before = files.length;
    const skippedBefore = skipped.length;
    const ofClass = new IgnoredTally(root);
    for (const file of filesBelow(join(root, className), ofClass)) {
      const found = lookAt(file);
      if (found.is === "picture") {
        files.push(relative(root, file));
        labels.push(label);
      } else if (strict && found.is !== "other") throw new BrokenImageError(file, found.reason);
      else if (found.is === "broken") skipped.push({ file, reason: found.reason });
      else ofClass.add(found.reason, file, found.is === "undecodable" || found.convertible);
    }
    if (files.length === before) {
      throw emptyClass(join(root, className), skipped.length - skippedBefore, ofClass.list());
    }
    ignored.addAll(ofClass);
  });
  const source: FolderSource = {
    kind: "folder",
    name: options.name ?? basename(root),
    path: root,
    strict,
    channels: 3,
    classNames,
    files,
    labels: Int32Array.from(labels),
  };
  return new FolderDataset({ ...source, channels: await commonChannels(source) }, skipped, ignored.list());
}

/** The data set of a listing that was made before. */
export function reopenFolder(source: FolderSource): Dataset {
  return new FolderDataset(source, [], []);
}

/** Names of the visible folders in a folder (links followed), sorted. @throws UserError where it cannot be read */
export function subfolders(path: string): string[] {
  const names = list(path).filter((entry) => !entry.name.startsWith(".") && kindOf(path, entry) === "folder");
  return names.map((entry) => entry.name).sort();
}

function list(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch (error) {
    throw unreadable(path, "a folder of pictures", error);
  }
}

function kindOf(folder: string, entry: Dirent): "folder" | "file" | "other" {
  const stat = entry.isSymbolicLink() ? statSync(join(folder, entry.name), { throwIfNoEntry: false }) : entry;
  return stat?.isDirectory() ? "folder" : stat?.isFile() ? "file" : "other";
}

/** Paths of the visible files, sorted. Links to folders within a class are not followed: they and what is hidden is counted. */
function filesBelow(folder: string, ignored: IgnoredTally): string[] {
  const paths: string[] = [];
  const folders = [folder];
  for (let at = folders.pop(); at !== undefined; at = folders.pop()) {
    for (const entry of list(at)) {
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
function whyUnseen(entry: Dirent, kind: "folder" | "file" | "other"): string | undefined {
  if (entry.name.startsWith(".")) return `hidden ${kind === "folder" ? "folder" : "file"}`;
  if (kind === "folder") return entry.isSymbolicLink() ? "link to a folder" : undefined;
  return kind === "file" ? undefined : entry.isSymbolicLink() ? "link to nothing" : "device or the like";
}

/** Counts what lies in a folder beside the subfolders that are used. */
function countBeside(folder: string, used: readonly string[], ignored: IgnoredTally, where: string): void {
  for (const entry of list(folder)) {
    if (used.includes(entry.name)) continue;
    const path = join(folder, entry.name);
    const kind = kindOf(folder, entry);
    const hidden = entry.name.startsWith(".");
    if (hidden || kind !== "file") ignored.add(hidden ? whyUnseen(entry, kind)! : `${kind} ${where}`, path);
    else {
      const { format, name, convertible } = kindOfFile(path);
      ignored.add(`${name} ${where}`, path, convertible || format !== undefined);
    }
  }
}

function checkClasses(root: string, classNames: readonly string[]): void {
  if (classNames.length >= 2) return;
  const expected = `at least two class folders in ${root} (class/picture.jpg)`;
  if (classNames.length === 1) {
    throw new UserError({ expected, received: `one, "${classNames[0]}"`, remedy: "give the folder above the classes" });
  }
  const loose = list(root).filter((entry) => hasPictureName(entry.name)).length;
  throw new UserError({
    expected,
    received: loose > 0 ? `${loose} pictures and no folders` : "no folders and no pictures",
    remedy: "put the pictures of each class into a folder of its own",
  });
}

function emptyClass(folder: string, broken: number, ignored: readonly IgnoredFiles[]): UserError {
  const others = ignored.map(({ kind, count }) => `${count} × ${kind}`).join(", ");
  return new UserError({
    expected: `${readFormats} pictures in ${folder + sep}`,
    received: broken > 0 ? `only ${broken} broken ones` : others ? `none (but ${others})` : "none",
    remedy: ignored.some(({ convertible }) => convertible)
      ? "convert them to JPEG or PNG, or remove the folder"
      : "add pictures or remove the folder",
  });
}

type Look =
  | { readonly is: "picture" }
  /** A picture by its name only. */
  | { readonly is: "broken"; readonly reason: string }
  /** A picture of a format that this installation does not decode. */
  | { readonly is: "undecodable"; readonly reason: string }
  /** Something that nobody meant to be read. */
  | { readonly is: "other"; readonly reason: string; readonly convertible: boolean };

/** What a file is for a data set, from its name and its first bytes. */
function lookAt(file: string): Look {
  const named = hasPictureName(file);
  let kind: FileKind;
  try {
    kind = sniff(file);
  } catch (error) {
    return { is: "broken", reason: describeSystemError(error) };
  }
  const { format, name, convertible } = kind;
  if (format) {
    const unread = unreadFormat(format);
    if (unread !== undefined) return { is: "undecodable", reason: unread };
    const ending = /[^.]\.([^.]{1,10})$/.exec(basename(file))?.[1];
    if (named || ending === undefined) return { is: "picture" };
    return { is: "other", reason: `${format} named .${ending}`, convertible: true };
  }
  if (named) return { is: "broken", reason: describeKind(kind) };
  return { is: "other", reason: name, convertible };
}

/** As {@link sniff}, for files of which nothing is expected. */
function kindOfFile(file: string): FileKind {
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

/** 1 where the first readable picture of each class is grey (at most 16 are looked at), else 3. */
async function commonChannels(source: FolderSource): Promise<1 | 3> {
  for (let label = 0; label < Math.min(16, source.classNames.length); label++) {
    const file = source.files[source.labels.indexOf(label)]!;
    const image = await decodeImage(join(source.path, file)).catch(() => undefined);
    if (image && image.channels !== 1) return 3;
    if (!image && label === 0) return 3;
  }
  return 1;
}
