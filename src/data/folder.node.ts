import { basename, join, relative, resolve, sep } from "node:path";
import { UserError } from "../core/errors.js";
import { BrokenImageError } from "./broken-image.js";
import type { Dataset, FolderSource, IgnoredFiles, Image, SkippedFile } from "./dataset.js";
import { decodeImage, unreadFormat } from "./decode.node.js";
import { hasPictureName, readFormats } from "./file-kind.js";
import { IgnoredTally } from "./ignored-files.js";
import { entriesOf, filesBelow, kindOf, kindOfFile, lookAt, whyUnseen } from "./look.node.js";

/** Pictures in files, one folder per class. */
class FolderDataset implements Dataset {
  readonly source: FolderSource;
  readonly skipped: readonly SkippedFile[];
  readonly ignored: readonly IgnoredFiles[];
  readonly notes: readonly string[];

  constructor(source: FolderSource, { skipped = [], ignored = [], notes = [] }: Opening) {
    this.source = source;
    this.skipped = skipped;
    this.ignored = ignored;
    this.notes = notes;
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
    return new FolderDataset({ ...this.source, name, files, labels }, this);
  }
}

/** What was seen when a set was opened. */
type Opening = Partial<Pick<Dataset, "skipped" | "ignored" | "notes">>;

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
  for (const [label, className] of classNames.entries()) {
    const before = files.length;
    const skippedBefore = skipped.length;
    const ofClass = new IgnoredTally(root);
    for (const file of filesBelow(join(root, className), ofClass)) {
      const found = lookAt(file);
      const unread = found.is === "picture" ? await unreadFormat(found.format) : undefined;
      const reason = found.is === "picture" ? unread : found.reason;
      if (reason === undefined) {
        files.push(relative(root, file));
        labels.push(label);
      } else if (found.is === "other") ofClass.add(reason, file, found.convertible);
      else if (strict) throw new BrokenImageError(file, reason);
      else if (found.is === "broken") skipped.push({ file, reason });
      else ofClass.add(reason, file, true);
    }
    if (files.length === before) {
      throw emptyClass(join(root, className), skipped.length - skippedBefore, ofClass.list());
    }
    ignored.addAll(ofClass);
  }
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
  return folderDataset(await withCommonChannels(source), { skipped, ignored: ignored.list() });
}

/** The data set of a listing that was made before. */
export function folderDataset(source: FolderSource, opening: Opening = {}): Dataset {
  return new FolderDataset(source, opening);
}

/** Names of the visible folders in a folder (links followed), sorted. @throws UserError where it cannot be read */
export function subfolders(path: string): string[] {
  const names = entriesOf(path).filter((entry) => !entry.name.startsWith(".") && kindOf(path, entry) === "folder");
  return names.map((entry) => entry.name).sort();
}

/** Counts what lies in a folder beside the subfolders that are used. */
function countBeside(folder: string, used: readonly string[], ignored: IgnoredTally, where: string): void {
  for (const entry of entriesOf(folder)) {
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
  const loose = entriesOf(root).filter((entry) => hasPictureName(entry.name)).length;
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

/** With the channels that its pictures need. */
export async function withCommonChannels(source: FolderSource): Promise<FolderSource> {
  return { ...source, channels: await commonChannels(source) };
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
