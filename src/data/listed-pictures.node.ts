import { statSync } from "node:fs";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { UserError } from "../core/errors.js";
import { describeSystemError } from "../core/system-errors.js";
import type { LabelColumns } from "../labels/columns.js";
import { type LabelEntry, type LabelList, type ListedSplit, readLabelList } from "../labels/label-list.js";
import { listText } from "../labels/list-text.node.js";
import { BrokenImageError } from "./broken-image.js";
import type { Dataset, FolderSource, SkippedFile } from "./dataset.js";
import { unreadFormat } from "./decode.node.js";
import { folderDataset, withCommonChannels } from "./folder.node.js";
import { kindOfFile, lookAt } from "./look.node.js";

/** Whether a place is a list of labels: a file (of any kind, so that folders may be called so) with this ending. */
export function isLabelList(where: string): boolean {
  if (!/\.(csv|tsv)$/i.test(where)) return false;
  try {
    return !statSync(where).isDirectory();
  } catch {
    return true; // what is wrong shows when it is read
  }
}

/**
 * The splits that a list of labels has: those of its split column, else "train" alone.
 * @throws UserError as {@link openListed}
 */
export async function listedSplits(path: string, columns: LabelColumns): Promise<ReadonlySet<ListedSplit>> {
  return (await read(path, columns)).splits ?? new Set(["train"]);
}

/**
 * Opens pictures that a CSV file lists: paths (from its folder on), classes, and where it has such a column splits. Classes are those of
 * the whole file, sorted by name (code units). The first bytes of each file are checked now. Files outside of the list's folder are the
 * user's own and read like others; a note says how many there are.
 * @param split undefined where the list has no such split; "train" of one that divides nothing is all
 * @param options.strict a missing or broken file is an error: else it is listed in `skipped` and has no index
 * @throws UserError for a list that cannot be used (see `readLabelList`), all files missing, a class without pictures; FormatError for
 *   a file that is no table of values
 */
export async function openListed(
  path: string,
  split: ListedSplit,
  options: LabelColumns & { readonly strict?: boolean } = {},
): Promise<Dataset | undefined> {
  const { strict = false } = options;
  const list = await read(path, options);
  if (!(list.splits ?? new Set(["train"])).has(split)) return undefined;
  const entries = list.splits ? list.entries.filter((entry) => entry.split === split) : list.entries;
  const folder = dirname(resolve(path));
  const files: string[] = [];
  const labels: number[] = [];
  const skipped: SkippedFile[] = [];
  const labelOf = new Map(list.classNames.map((className, label) => [className, label]));
  let outside = 0;
  for (const entry of entries) {
    const file = fileOf(folder, entry);
    const reason = file === undefined ? "no such file" : await whyUnusable(file);
    if (file !== undefined && reason === undefined) {
      const below = relative(folder, file);
      if (below.startsWith(`..${sep}`) || isAbsolute(below)) outside++;
      files.push(below);
      labels.push(labelOf.get(entry.label)!);
    } else if (strict) throw new BrokenImageError(file ?? join(folder, entry.path), reason!);
    else skipped.push({ file: file ?? entry.path, reason: reason! });
  }
  const name = list.splits ? `${basename(path)}/${split}` : basename(path);
  checkFound(files.length, skipped, folder, name);
  checkClasses(labels, list, name, skipped.length);
  const source: FolderSource = {
    ...{ kind: "folder", name, path: folder, strict, channels: 3 },
    ...{ classNames: list.classNames, files, labels: Int32Array.from(labels) },
    ...(list.splits && { split }),
  };
  const notes = [
    ...list.notes,
    ...(outside > 0 ? [`${name}: ${outside.toLocaleString("en")} of the files lie outside of ${folder}`] : []),
  ];
  return folderDataset(await withCommonChannels(source), { skipped, notes });
}

async function read(path: string, columns: LabelColumns): Promise<LabelList> {
  const folder = dirname(resolve(path));
  return readLabelList(
    listText(path, (file) => kindOfFile(file).name),
    basename(path),
    columns,
    (file) => resolve(folder, file),
  );
}

/** The file that a row means: as it stands there, else without spaces around it, else with the separators of this system. */
function fileOf(folder: string, { path }: LabelEntry): string | undefined {
  for (const spelled of new Set([path, path.trim(), path.trim().replaceAll("\\", "/")])) {
    const file = resolve(folder, spelled);
    try {
      if (statSync(file, { throwIfNoEntry: false })) return file;
    } catch {
      return file; // there, but out of reach: what is wrong shows when it is looked at
    }
  }
  return undefined;
}

async function whyUnusable(file: string): Promise<string | undefined> {
  try {
    // Pipes and devices would be waited for.
    const stat = statSync(file);
    if (!stat.isFile()) return stat.isDirectory() ? "a folder" : "no file";
  } catch (error) {
    return describeSystemError(error);
  }
  const found = lookAt(file);
  return found.is === "picture" ? unreadFormat(found.format) : found.reason;
}

function checkFound(found: number, skipped: readonly SkippedFile[], folder: string, name: string): void {
  if (found > 0) return;
  const [first] = skipped;
  throw new UserError({
    expected: `pictures that ${name} lists`,
    received: `none of ${skipped.length.toLocaleString("en")} that can be read (${first!.file}: ${first!.reason})`,
    remedy: `paths are read from ${folder} on, with the names' endings`,
  });
}

/** @throws UserError where a class of the list has no picture here */
function checkClasses(labels: readonly number[], { classNames }: LabelList, name: string, skipped: number): void {
  const there = new Set(labels);
  const label = classNames.findIndex((_, at) => !there.has(at));
  if (label < 0) return;
  throw new UserError({
    expected: `pictures of every class in ${name}`,
    received: `none of "${classNames[label]}"${skipped > 0 ? ` that can be read (${skipped} files cannot)` : ""}`,
    remedy: "add some, or take the class out of the list",
  });
}
