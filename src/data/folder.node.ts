import { closeSync, type Dirent, openSync, readdirSync, readSync, statSync } from "node:fs";
import { basename, extname, join, relative, resolve, sep } from "node:path";
import { UserError } from "../core/errors.js";
import { BrokenImageError } from "./broken-image.js";
import type { Dataset, FolderSource, Image, SkippedFile } from "./dataset.js";
import { decodeImage, describeOther, sniffBytes, sniffImage, unreadable } from "./decode.node.js";

const extensions = new Set([".jpg", ".jpeg", ".png", ".webp"]);

/** Pictures in files, one folder per class. */
class FolderDataset implements Dataset {
  readonly source: FolderSource;
  readonly skipped: readonly SkippedFile[];

  constructor(source: FolderSource, skipped: readonly SkippedFile[]) {
    this.source = source;
    this.skipped = skipped;
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
    return new FolderDataset({ ...this.source, name, files, labels }, this.skipped);
  }
}

/**
 * Opens a folder of pictures, `class/picture.jpg` (JPEG, PNG, WebP; deeper folders within a class count to it). Classes
 * and files are sorted by name (code units), hidden ones and other types are not looked at. The first bytes of each file
 * are checked now; damage further in shows when a picture is read.
 * @param options.strict a broken file is an error: else it is listed in `skipped` and has no index
 * @throws UserError for a missing folder, no class folders, fewer than two classes, a class without pictures
 */
export async function openFolder(path: string, options: { strict?: boolean; name?: string } = {}): Promise<Dataset> {
  const { strict = false } = options;
  const root = resolve(path);
  const classNames = subfolders(root);
  checkClasses(root, classNames);
  const files: string[] = [];
  const labels: number[] = [];
  const skipped: SkippedFile[] = [];
  classNames.forEach((className, label) => {
    const before = files.length;
    const skippedBefore = skipped.length;
    for (const file of picturesBelow(join(root, className))) {
      const reason = whyNoPicture(file);
      if (reason === undefined) {
        files.push(relative(root, file));
        labels.push(label);
      } else if (strict) throw new BrokenImageError(file, reason);
      else skipped.push({ file, reason });
    }
    if (files.length === before) throw emptyClass(join(root, className), skipped.length - skippedBefore);
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
  return new FolderDataset({ ...source, channels: await commonChannels(source) }, skipped);
}

/** The data set of a listing that was made before. */
export function reopenFolder(source: FolderSource): Dataset {
  return new FolderDataset(source, []);
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

/** Paths of the files with a picture's extension, sorted. Links to folders within a class are not followed. */
function picturesBelow(folder: string): string[] {
  const paths: string[] = [];
  const folders = [folder];
  for (let at = folders.pop(); at !== undefined; at = folders.pop()) {
    for (const entry of list(at)) {
      if (entry.name.startsWith(".")) continue;
      const kind = kindOf(at, entry);
      if (kind === "folder" && !entry.isSymbolicLink()) folders.push(join(at, entry.name));
      else if (kind === "file" && extensions.has(extname(entry.name).toLowerCase())) paths.push(join(at, entry.name));
    }
  }
  return paths.sort();
}

function checkClasses(root: string, classNames: readonly string[]): void {
  if (classNames.length >= 2) return;
  const expected = `at least two class folders in ${root} (class/picture.jpg)`;
  if (classNames.length === 1) {
    throw new UserError({ expected, received: `one, "${classNames[0]}"`, remedy: "give the folder above the classes" });
  }
  const loose = list(root).filter((entry) => extensions.has(extname(entry.name).toLowerCase())).length;
  throw new UserError({
    expected,
    received: loose > 0 ? `${loose} pictures and no folders` : "no folders and no pictures",
    remedy: "put the pictures of each class into a folder of its own",
  });
}

function emptyClass(folder: string, broken: number): UserError {
  const others = new Map<string, number>();
  for (const entry of list(folder)) {
    const extension = extname(entry.name).toLowerCase();
    if (extension && !extensions.has(extension)) others.set(extension, (others.get(extension) ?? 0) + 1);
  }
  const [extension, count] = [...others].sort((a, b) => b[1] - a[1])[0] ?? ["", 0];
  return new UserError({
    expected: `JPEG, PNG or WebP pictures in ${folder + sep}`,
    received: broken > 0 ? `only ${broken} broken ones` : count > 0 ? `none (but ${count} × *${extension})` : "none",
    remedy: "add pictures or remove the folder",
  });
}

/** Why a file cannot be a picture, from its first bytes; undefined where it can. */
function whyNoPicture(file: string): string | undefined {
  const head = new Uint8Array(sniffBytes);
  try {
    const descriptor = openSync(file, "r");
    try {
      const bytes = head.subarray(0, readSync(descriptor, head, 0, sniffBytes, 0));
      return sniffImage(bytes) ? undefined : describeOther(bytes);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    return (error as Error).message;
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
