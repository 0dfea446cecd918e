import { FormatError } from "../core/errors.js";

/** Class names of CIFAR-10 (Krizhevsky 2009) in the order of its labels. */
export const cifar10Classes: readonly string[] = [
  "airplane",
  "automobile",
  "bird",
  "cat",
  "deer",
  "dog",
  "frog",
  "horse",
  "ship",
  "truck",
];

export const cifarSize = 32;
const plane = cifarSize * cifarSize;
/** One label byte, then 32 × 32 bytes of red, of green and of blue. */
export const cifarRecordBytes = 1 + 3 * plane;

/**
 * Pictures and labels of a file of the binary version of CIFAR-10, written to `pixels` [count][32][32][3] and `labels`
 * from the picture `at` on.
 * @returns the number of pictures
 * @throws FormatError where the bytes are not whole records with labels below 10
 */
export function parseCifar10(
  bytes: Uint8Array,
  pixels: Uint8Array,
  labels: Int32Array,
  at = 0,
  file = "CIFAR-10 data",
): number {
  const count = cifarRecords(bytes.length, file);
  for (let i = 0; i < count; i++) {
    const from = i * cifarRecordBytes;
    const label = bytes[from]!;
    if (label >= cifar10Classes.length) {
      throw new FormatError({ expected: "labels below 10", received: `${file}: label ${label} of picture ${i}` });
    }
    labels[at + i] = label;
    const to = (at + i) * 3 * plane;
    for (let p = 0; p < plane; p++) {
      pixels[to + 3 * p] = bytes[from + 1 + p]!;
      pixels[to + 3 * p + 1] = bytes[from + 1 + plane + p]!;
      pixels[to + 3 * p + 2] = bytes[from + 1 + 2 * plane + p]!;
    }
  }
  return count;
}

/** The number of records in a file of so many bytes. @throws FormatError where they are not whole */
export function cifarRecords(byteLength: number, file: string): number {
  if (byteLength === 0 || byteLength % cifarRecordBytes !== 0) {
    throw new FormatError({
      expected: `whole records of ${cifarRecordBytes} bytes (the binary version of CIFAR-10)`,
      received: `${file}: ${byteLength} bytes`,
      remedy: "the file is damaged, cut off, or another version of the data set",
    });
  }
  return byteLength / cifarRecordBytes;
}
