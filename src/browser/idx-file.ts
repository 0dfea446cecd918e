import { UserError } from "../core/errors.js";
import { idxDataset } from "../data/idx-dataset.js";
import type { MemoryDataset } from "../data/memory-dataset.js";
import type { FetchOptions } from "./fetch-bytes.js";
import { type FileSource, readFile } from "./load.js";

/** Grey pictures and labels in the files of MNIST and its kin, packed (gzip) or not. */
export interface IdxFiles {
  /** Pixels: idx3-ubyte, [pictures][height][width]. */
  readonly images: FileSource;
  /** Class indices: idx1-ubyte, [pictures]. */
  readonly labels: FileSource;
}

/**
 * Reads a pair of idx files; the shipped part of Fashion-MNIST lies in the package's `assets/fashion-mnist`.
 * @param name of the data set, for messages and a model's provenance
 * @throws FormatError where they are not such files or their counts differ, UserError where they cannot be read.
 */
export async function readIdxFiles(
  files: IdxFiles,
  classNames: readonly string[],
  name: string,
  options: FetchOptions = {},
): Promise<MemoryDataset> {
  const [images, labels] = await Promise.all([files.images, files.labels].map((file) => readUnpacked(file, options)));
  return idxDataset(images!, labels!, classNames, name);
}

async function readUnpacked(source: FileSource, options: FetchOptions): ReturnType<typeof readFile> {
  const { bytes, name } = await readFile(source, options);
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return { bytes, name };
  const stream = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream("gzip"));
  try {
    return { bytes: new Uint8Array(await new Response(stream).arrayBuffer()), name };
  } catch (error) {
    throw new UserError({ expected: "a gzip file", received: `${name}, which is damaged` }, { cause: error });
  }
}
