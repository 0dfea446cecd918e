import { FormatError } from "../core/errors.js";

/*
 * The idx format of MNIST and its kin: two zero bytes, the element type (8: unsigned byte), the number of dimensions,
 * each dimension as a big-endian uint32, the elements. Only what these data sets hold is read: bytes.
 */

/** Header of an idx file of unsigned bytes with `rank` dimensions: the bytes before the elements. */
export function idxHeaderBytes(rank: number): number {
  return 4 + 4 * rank;
}

/**
 * The dimensions that the header claims. No size is believed yet.
 * @throws FormatError where it is not an idx header of unsigned bytes with `rank` dimensions
 */
export function parseIdxHeader(bytes: Uint8Array, rank: number, file = "idx data"): number[] {
  const expected = `an idx file of unsigned bytes with ${rank} dimension${rank === 1 ? "" : "s"} (magic 0x0000080${rank})`;
  if (bytes.length < idxHeaderBytes(rank)) {
    throw new FormatError({ expected, received: `${file}: ${bytes.length} bytes, less than a header` });
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = view.getUint32(0);
  if (magic !== 0x800 + rank) {
    throw new FormatError({ expected, received: `${file}: magic 0x${magic.toString(16).padStart(8, "0")}` });
  }
  return Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
}

function elements(bytes: Uint8Array, dimensions: readonly number[], file: string): Uint8Array {
  const count = dimensions.reduce((product, size) => product * size, 1);
  const held = bytes.length - idxHeaderBytes(dimensions.length);
  if (count === 0 || count !== held) {
    throw new FormatError({
      expected:
        count === 0
          ? "at least one element"
          : `${count} bytes of elements, as the header claims (${dimensions.join(" × ")})`,
      received: `${file}: ${held} bytes`,
      remedy: "the file is empty, damaged or cut off; get it again",
    });
  }
  return bytes.subarray(idxHeaderBytes(dimensions.length));
}

/** Pictures of an idx3 file; `pixels` [count][height][width] is a view of `bytes`. @throws FormatError */
export function parseIdxImages(
  bytes: Uint8Array,
  file?: string,
): { count: number; height: number; width: number; pixels: Uint8Array } {
  const dimensions = parseIdxHeader(bytes, 3, file);
  const pixels = elements(bytes, dimensions, file ?? "idx data");
  return { count: dimensions[0]!, height: dimensions[1]!, width: dimensions[2]!, pixels };
}

/** Labels of an idx1 file, a view of `bytes`. @throws FormatError, also for a label that is not below `classes` */
export function parseIdxLabels(bytes: Uint8Array, classes: number, file = "idx data"): Uint8Array {
  const labels = elements(bytes, parseIdxHeader(bytes, 1, file), file);
  const wrong = labels.findIndex((label) => label >= classes);
  if (wrong >= 0) {
    throw new FormatError({
      expected: `labels below ${classes}`,
      received: `${file}: label ${labels[wrong]} of picture ${wrong}`,
    });
  }
  return labels;
}

/** An idx file of unsigned bytes. */
export function writeIdx(dimensions: readonly number[], data: Uint8Array): Uint8Array {
  const header = idxHeaderBytes(dimensions.length);
  const bytes = new Uint8Array(header + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x800 + dimensions.length);
  dimensions.forEach((size, i) => {
    view.setUint32(4 + 4 * i, size);
  });
  bytes.set(data, header);
  return bytes;
}
