import { readMaybeGzip } from "./binary-file.node.js";
import type { DatasetSource } from "./dataset.js";
import { idxHeaderBytes, parseIdxHeader } from "./idx.js";
import { idxDataset } from "./idx-dataset.js";
import type { MemoryDataset } from "./memory-dataset.js";

/**
 * Opens a pair of idx files (plain or gzip): grey pictures and their labels.
 * @throws FormatError where they are not such files or their counts differ; UserError where they cannot be read
 */
export async function openIdx(source: DatasetSource & { kind: "idx" }, name: string): Promise<MemoryDataset> {
  const { images, labels, classNames } = source;
  return idxDataset(
    { bytes: await readIdx(images, 3), name: images },
    { bytes: await readIdx(labels, 1), name: labels },
    classNames,
    name,
    source,
  );
}

function readIdx(path: string, rank: number): Promise<Uint8Array> {
  const header = idxHeaderBytes(rank);
  return readMaybeGzip(
    path,
    `an idx file of ${rank === 3 ? "pictures" : "labels"}`,
    header,
    (bytes) => parseIdxHeader(bytes, rank, path).reduce((product, size) => product * size, 1) + header,
  );
}
