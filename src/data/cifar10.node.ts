import { readBytes } from "./binary-file.node.js";
import { cifar10Classes, cifarRecordBytes, cifarRecords, cifarSize, parseCifar10 } from "./cifar10.js";
import type { DatasetSource } from "./dataset.js";
import { type MemoryDataset, memoryDataset, sharedBytes } from "./memory-dataset.js";

/** Opens files of the binary version of CIFAR-10. @throws FormatError where they are not such files */
export async function openCifar10(source: DatasetSource & { kind: "cifar10" }, name: string): Promise<MemoryDataset> {
  const parts: Uint8Array[] = [];
  for (const file of source.files) parts.push(await readBytes(file, "a CIFAR-10 binary file"));
  const count = parts.reduce((sum, bytes, i) => sum + cifarRecords(bytes.length, source.files[i]!), 0);
  const pixels = sharedBytes(count * (cifarRecordBytes - 1));
  const labels = new Int32Array(count);
  let at = 0;
  parts.forEach((bytes, i) => {
    at += parseCifar10(bytes, pixels, labels, at, source.files[i]!);
  });
  return memoryDataset({
    name,
    classNames: cifar10Classes,
    channels: 3,
    height: cifarSize,
    width: cifarSize,
    pixels,
    labels,
    source,
  });
}
