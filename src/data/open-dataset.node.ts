import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { UserError } from "../core/errors.js";
import type { LabelColumns } from "../labels/columns.js";
import { openCifar10 } from "./cifar10.node.js";
import type { Dataset, DatasetSource } from "./dataset.js";
import { unreadable } from "./decode.node.js";
import { fashionMnistIn, findFashionMnist, findShippedFashionMnist } from "./fashion-mnist.node.js";
import { folderDataset, openFolder, subfolders } from "./folder.node.js";
import { checkSameClasses, heldOutPart, holdOut } from "./hold-out.js";
import { openIdx } from "./idx.node.js";
import { isLabelList, listedSplits, openListed } from "./listed-pictures.node.js";

/** Part of a data set. */
export type Split = "train" | "val" | "test";

/** How a data set is opened. */
export interface OpenOptions extends LabelColumns {
  /** Broken files are errors: else they are named and skipped. Default false. */
  readonly strict?: boolean;
  /** Told of a download's progress, in bytes. */
  readonly onProgress?: (received: number, total: number) => void;
}

/** Data sets that are known by name: the full Fashion-MNIST, and the subset that comes with the package. */
export const namedDatasets = ["fashion-mnist", "fashion-mnist-subset"] as const;

/**
 * Opens a data set.
 * @param where "fashion-mnist" or "fashion-mnist-subset"; a folder with idx files (`train-images-idx3-ubyte[.gz]`, …), CIFAR-10
 *   binary files (`data_batch_*.bin`, `test_batch.bin`) or pictures (`class/x.jpg`, or `train/class/x.jpg` beside `test/`
 *   or `val/`); a CSV file that lists pictures (`path,label`, and `split` where it divides them); or the {@link DatasetSource}
 *   of a data set
 * @param split default "train"; "test" and "val" stand in for each other where there is only one
 * @throws UserError where there is no such data set or split; FormatError where its files are damaged
 */
export async function openDataset(
  where: string | DatasetSource,
  split: Split = "train",
  options: Parameters<typeof findSplit>[2] = {},
): Promise<Dataset> {
  if (typeof where !== "string") return openSource(where);
  const found = await findSplit(where, split, options);
  if (found) return found;
  throw new UserError({
    expected: `a ${split} split in ${where}`,
    received: "one without splits",
    remedy: "make folders train/ and test/, or hold out a part of the pictures",
  });
}

/** Pictures to train on and pictures to test on, as a place was split. */
export interface OpenedSplits {
  readonly train: Dataset;
  readonly test: Dataset;
  /** The pictures of the place's val/ (valid/, validation/) folder, where they were asked for and there is one. */
  readonly validation?: Dataset;
  /** Part of each class that was held out for testing; undefined where the place has test pictures of its own. */
  readonly holdOut?: number | undefined;
}

/**
 * Opens the training and the test pictures of a data set; where a folder has no splits, `holdOut` of each class
 * (default: by {@link heldOutPart}, chosen by `seed`) is held out for testing; 0: none, then both are all pictures.
 * @param options.validation take a val/ folder as validation pictures: it does not stand in for a test split then
 * @throws UserError as {@link openDataset}, and where the two do not have the same classes
 */
export async function openTrainAndTest(
  where: string,
  options: OpenOptions & { readonly holdOut?: number; readonly seed?: number; readonly validation?: boolean } = {},
): Promise<OpenedSplits> {
  const train = await openDataset(where, "train", options);
  const own = options.validation ? await findValidation(where, options) : undefined;
  if (own) checkSameClasses(train, own);
  const others = own && { validation: own };
  const test = own ? await findOwnTest(where, options) : await findSplit(where, "test", options);
  if (test) {
    checkSameClasses(train, test);
    return { train, test, ...others, holdOut: undefined };
  }
  const { holdOut: part = heldOutPart(train.length), seed = 0 } = options;
  if (part !== 0) return { ...holdOut(train, part, seed), ...others, holdOut: part };
  const all = Array.from({ length: train.length }, (_, i) => i);
  return { train, test: train.select(all, `${train.name} (the training pictures)`), ...others, holdOut: 0 };
}

/** The pictures of a folder's val/ beside its train/, or of a list's split of that name; undefined where it has none. */
async function findValidation(where: string, options: OpenOptions): Promise<Dataset | undefined> {
  return (await splitsOf(where, options)).has("val") ? findSplit(where, "val", options) : undefined;
}

/** The pictures of a folder's test/ beside its train/ (or of a list's split), for which val/ does not stand in. */
async function findOwnTest(where: string, options: OpenOptions): Promise<Dataset | undefined> {
  return (await splitsOf(where, options)).has("test") ? findSplit(where, "test", options) : undefined;
}

/** The splits that a folder or a list of labels is divided into; none of other places. */
async function splitsOf(where: string, options: OpenOptions): Promise<ReadonlySet<Split>> {
  if (isLabelList(where)) return listedSplits(where, options);
  const folders = existsSync(where) && statSync(where).isDirectory() ? splitFolders(resolve(where)) : undefined;
  return new Set<Split>([
    ...(folders?.test ? ["test" as const] : []),
    ...(folders?.validation ? ["val" as const] : []),
  ]);
}

async function openSource(source: DatasetSource): Promise<Dataset> {
  switch (source.kind) {
    case "folder":
      return folderDataset(source);
    case "idx":
      return openIdx(source, basename(source.images));
    case "cifar10":
      return openCifar10(source, "cifar10");
  }
}

/**
 * As {@link openDataset}, but undefined where the data set is there and has no such split.
 * @param options.validation a folder's val/ is read too, beside its test/
 */
export async function findSplit(
  where: string,
  split: Split,
  options: OpenOptions & { readonly validation?: boolean },
): Promise<Dataset | undefined> {
  const half = split === "train" ? "train" : "test";
  if (where === "fashion-mnist-subset") return openIdx(findShippedFashionMnist(half), `${where}/${half}`);
  if (where === "fashion-mnist" && !existsSync(where))
    return openIdx(await findFashionMnist(half, options), `${where}/${half}`);

  if (isLabelList(where)) {
    const there = await listedSplits(where, options);
    const others = split === "val" ? (["val", "test"] as const) : (["test", "val"] as const);
    const listed = split === "train" ? split : others.find((name) => there.has(name));
    return listed && openListed(where, listed, options);
  }
  const root = resolve(where);
  const name = `${basename(root)}/${half}`;
  checkFolder(root, where);
  const anyIdx = fashionMnistIn(root, "train") ?? fashionMnistIn(root, "test");
  if (anyIdx) {
    const idx = fashionMnistIn(root, half);
    return idx && openIdx(idx, name);
  }
  const binaries = readdirSync(root).filter((file) => /^(data_batch_\d+|test_batch)\.bin$/.test(file));
  if (binaries.length > 0) {
    const files = binaries.filter((file) => file.startsWith("test") === (half === "test")).sort();
    return files.length === 0
      ? undefined
      : openCifar10({ kind: "cifar10", files: files.map((file) => join(root, file)) }, name);
  }
  const folders = splitFolders(root);
  if (folders) {
    const { strict = false } = options;
    const { train, test = folders.validation!, validation = test } = folders;
    const folder = { train, test, val: validation }[split];
    // What lies beside the splits is told once, with the pictures to train on.
    const splits = [train, test, ...(options.validation ? [validation] : [])];
    const within = half === "train" && { within: { root, splits } };
    return openFolder(join(root, folder), { strict, name: `${basename(root)}/${folder}`, ...within });
  }
  return half === "train" ? openFolder(root, options) : undefined;
}

function checkFolder(root: string, where: string): void {
  try {
    if (statSync(root).isDirectory()) return;
  } catch (error) {
    throw unreadable(where, `a data set (a folder, or ${namedDatasets.join(" or ")})`, error);
  }
  throw new UserError({
    expected: `a folder at ${where}`,
    received: "a file",
    remedy: "give the folder of the data set, or a list of labels that is named .csv",
  });
}

/** Subfolders of splits by what they are for; of the last two at least one is there. */
interface SplitFolders {
  readonly train: string;
  readonly test?: string;
  readonly validation?: string;
}

/**
 * The subfolders of a folder that is divided into splits: it has `train/` and one of `test/`, `val/`, `valid/` and `validation/`, and
 * these hold folders (a class may be called "train" too). Undefined where it is not.
 */
function splitFolders(root: string): SplitFolders | undefined {
  const names = subfolders(root);
  const holdsClasses = (name: string): boolean => names.includes(name) && subfolders(join(root, name)).length > 0;
  const test = holdsClasses("test");
  const validation = ["val", "valid", "validation"].find(holdsClasses);
  if (!holdsClasses("train") || !(test || validation)) return undefined;
  return { train: "train", ...(test && { test: "test" }), ...(validation !== undefined && { validation }) };
}
