import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { UserError } from "../core/errors.js";
import type { DatasetSource } from "./dataset.js";
import { ensureDownloaded, type KnownFile } from "./download.node.js";
import { fashionMnistClasses } from "./fashion-mnist.js";

const official = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com";

/**
 * The official files. Their SHA-256 are those of files whose MD5 is the one that the authors publish in their README.
 */
export const fashionMnistFiles: Readonly<Record<"train" | "test", { images: KnownFile; labels: KnownFile }>> = {
  train: {
    images: {
      url: `${official}/train-images-idx3-ubyte.gz`,
      bytes: 26421880,
      sha256: "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    },
    labels: {
      url: `${official}/train-labels-idx1-ubyte.gz`,
      bytes: 29515,
      sha256: "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    },
  },
  test: {
    images: {
      url: `${official}/t10k-images-idx3-ubyte.gz`,
      bytes: 4422102,
      sha256: "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    },
    labels: {
      url: `${official}/t10k-labels-idx1-ubyte.gz`,
      bytes: 5148,
      sha256: "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    },
  },
};

/** Where Debian's package `dataset-fashion-mnist` puts the full set. */
const debianFolder = "/usr/share/datasets/fashion-mnist";

/** The subset that comes with this package (assets/fashion-mnist/README.md). */
export const shippedFashionMnist = fileURLToPath(new URL("../../assets/fashion-mnist", import.meta.url));

/** Where downloads are kept: `$REPVGG_CACHE`, else `$XDG_CACHE_HOME/repvgg`, else `~/.cache/repvgg`. */
export function cacheFolder(): string {
  return process.env.REPVGG_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "repvgg");
}

/** The pair of idx files of a split in a folder, packed or not; undefined where they are not there. */
export function fashionMnistIn(folder: string, split: "train" | "test"): (DatasetSource & { kind: "idx" }) | undefined {
  const prefix = split === "train" ? "train" : "t10k";
  const find = (name: string): string | undefined =>
    [`${name}.gz`, name].map((file) => join(folder, file)).find((path) => existsSync(path));
  const images = find(`${prefix}-images-idx3-ubyte`);
  const labels = find(`${prefix}-labels-idx1-ubyte`);
  return images && labels ? { kind: "idx", images, labels, classNames: fashionMnistClasses } : undefined;
}

/**
 * Finds the full set: in Debian's folder, in the cache, else it is downloaded from the authors' server into the cache
 * (31 MB), each file checked by its SHA-256.
 * @param options.folders where to look before downloading
 * @param options.files the files to download
 */
export async function findFashionMnist(
  split: "train" | "test",
  options: {
    folders?: readonly string[];
    cache?: string;
    files?: { images: KnownFile; labels: KnownFile };
    onProgress?: (received: number, total: number) => void;
  } = {},
): Promise<DatasetSource & { kind: "idx" }> {
  const { folders = [debianFolder], cache = join(cacheFolder(), "fashion-mnist"), onProgress } = options;
  for (const folder of folders) {
    const found = fashionMnistIn(folder, split);
    if (found) return found;
  }
  const { images, labels } = options.files ?? fashionMnistFiles[split];
  const path = (file: KnownFile): string => join(cache, file.url.slice(file.url.lastIndexOf("/") + 1));
  for (const file of [images, labels]) await ensureDownloaded(file, path(file), onProgress ? { onProgress } : {});
  return { kind: "idx", images: path(images), labels: path(labels), classNames: fashionMnistClasses };
}

/** The shipped subset. @throws UserError where the package's assets are missing */
export function findShippedFashionMnist(split: "train" | "test"): DatasetSource & { kind: "idx" } {
  const found = fashionMnistIn(shippedFashionMnist, split);
  if (found) return found;
  throw new UserError({
    expected: `the package's Fashion-MNIST subset in ${shippedFashionMnist}`,
    received: "no such files",
    remedy: "install the package again",
  });
}
