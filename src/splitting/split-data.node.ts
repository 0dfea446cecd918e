import { existsSync } from "node:fs";
import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { UserError } from "../core/errors.js";
import type { Dataset, FolderSource } from "../data/dataset.js";
import { indicesByClass } from "../data/hold-out.js";
import { findSplit, namedDatasets, type OpenOptions, openDataset } from "../data/open-dataset.node.js";
import { type Alike, findAlike } from "../survey/alike.node.js";
import { assignParts } from "./assign.js";
import { checkNewFolder, copyParts, type PlacedPicture } from "./copy.node.js";
import type { DataSplit } from "./data-split.js";
import { checkNewManifest, writeManifest } from "./manifest.node.js";
import { parseParts } from "./parts.js";

export type { DataSplit } from "./data-split.js";
export type { PartName } from "./parts.js";

/** How pictures are divided, and where that is written: one of `out` and `manifest`. */
export interface SplitDataOptions extends Omit<OpenOptions, "onProgress"> {
  /** "80/20": train and test; "80/10/10": train, val and test. */
  readonly parts: string;
  /** A new folder for copies: `train/class/picture.jpg`, …. */
  readonly out?: string;
  /** A new CSV file with a line for each picture: `path,class,split`. Paths are relative to its folder. */
  readonly manifest?: string;
  /** The same seed gives the same parts. Default 0. */
  readonly seed?: number;
  /** Gives up; nothing is written then. */
  readonly signal?: AbortSignal;
  /** Told of the pictures read. */
  readonly onRead?: (done: number, total: number) => void;
  /** Told of the files copied. */
  readonly onCopy?: (done: number, total: number) => void;
}

/** Groups that a result names. */
const namedGroups = 5;

/**
 * Divides the pictures of a folder, or of a list of labels, into train, test and maybe val: each class by the same shares; pictures
 * that are equal or look the same (`nearDuplicates`) come to one part; broken ones to none. What is there is never overwritten, and
 * what is written is there whole or not at all.
 * @param place class folders, or a CSV file without splits
 * @throws UserError for parts that do not make a whole, a place that is divided already or holds no picture files, a class with too few
 *   pictures, an output that exists; FormatError for a broken picture where `strict`; the signal's reason
 */
export async function splitData(place: string, options: SplitDataOptions): Promise<DataSplit> {
  const { out, manifest, seed = 0, strict = false, signal } = options;
  const parts = parseParts(options.parts);
  if ((out === undefined) === (manifest === undefined)) {
    throw new UserError({
      expected: "where the parts are written: a folder for copies (--out, out) or a list (--manifest, manifest)",
      received: out === undefined ? "neither" : "both",
    });
  }
  if (out !== undefined) checkNewFolder(out);
  if (manifest !== undefined) checkNewManifest(manifest);
  const { dataset, source } = await undivided(place, { ...options, strict });
  if (out !== undefined && source.path === resolve(place)) checkOutside(out, source.path);
  const alike = await findAlike(dataset, {
    ...(signal && { signal }),
    ...(options.onRead && { onProgress: options.onRead }),
  });
  const { readable, groups } = within(alike);
  const good = dataset.select(readable);
  const labels = readable.map((index) => dataset.label(index));
  const assigned = assignParts(labels, dataset.classNames, groups, parts, seed);

  const placed = readable.map((index, i): PlacedPicture => {
    const className = dataset.classNames[labels[i]!]!;
    return { file: source.files[index]!, className, part: parts[assigned[i]!]!.name };
  });
  if (out !== undefined) await copyParts(source.path, placed, out, { signal, onCopy: options.onCopy });
  else await writeManifest(source.path, placed, manifest!);
  const byClass = indicesByClass(good);
  return {
    parts: parts.map(({ name }, part) => {
      const counts = byClass.map((indices) => indices.filter((index) => assigned[index] === part).length);
      return { name, pictures: counts.reduce((sum, count) => sum + count, 0), byClass: counts };
    }),
    classNames: dataset.classNames,
    alike: {
      groups: groups.length,
      pictures: groups.reduce((sum, group) => sum + group.length, 0),
      equal: alike.equal,
      examples: [...alike.groups]
        .sort((a, b) => b.length - a.length)
        .slice(0, namedGroups)
        .map((group) => group.map((index) => source.files[index]!)),
    },
    skipped: alike.skipped,
    notes: dataset.notes ?? [],
    written: out ?? manifest!,
  };
}

/** Groups by their places among the pictures that can be read. */
function within({ readable, groups }: Alike): Pick<Alike, "readable" | "groups"> {
  const placeOf = new Map(readable.map((index, at) => [index, at]));
  return { readable, groups: groups.map((group) => group.map((index) => placeOf.get(index)!)) };
}

/** @throws UserError for a place that has splits, or no files */
async function undivided(
  place: string,
  options: OpenOptions,
): Promise<{ readonly dataset: Dataset; readonly source: FolderSource }> {
  const notFiles = (received: string): UserError =>
    new UserError({
      expected: "pictures in files: class folders, or a list of labels (.csv)",
      received,
      remedy: "only these can be divided",
    });
  if (namedDatasets.some((name) => name === place) && !existsSync(place)) throw notFiles(place);
  const dataset = await openDataset(place, "train", options);
  const { source } = dataset;
  if (source?.kind !== "folder") throw notFiles(`${place}, which holds ${source?.kind ?? "other"} files`);
  if (source.split !== undefined || (await findSplit(place, "test", options))) {
    throw new UserError({
      expected: "pictures that are not divided yet",
      received: `${place}, which has splits`,
      remedy:
        source.split === undefined
          ? `to divide one of them, name it: ${join(place, "train")}`
          : "take its split column out",
    });
  }
  return { dataset, source };
}

/** @throws UserError for an output in a folder of classes, which would be a class of its next time */
function checkOutside(out: string, path: string): void {
  const way = relative(path, resolve(out));
  if (way !== "" && (way === ".." || way.startsWith(`..${sep}`) || isAbsolute(way))) return;
  throw new UserError({
    expected: "a folder outside of the pictures",
    received: `${out} in ${path}`,
    remedy: "name one beside it",
  });
}
