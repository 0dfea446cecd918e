import { UserError } from "../core/errors.js";
import type { Dataset, DatasetSource, Image, SkippedFile } from "./dataset.js";
import { toChannels } from "./image.js";
import { readAll } from "./read-all.js";

/** The contents of a {@link MemoryDataset}: structured-cloneable, and shared by clones where the arrays are shared memory. */
export interface MemoryContents {
  readonly name: string;
  readonly classNames: readonly string[];
  readonly channels: 1 | 3;
  /** Pictures one after another, each [height][width][channels]. */
  readonly pixels: Uint8Array;
  readonly labels: Int32Array;
  readonly heights: Int32Array;
  readonly widths: Int32Array;
  /** Where each picture begins in `pixels`. */
  readonly offsets: Float64Array;
}

/** Decoded pictures in memory: reading one is a view, no copy. */
export class MemoryDataset implements Dataset {
  /** Pixels, sizes and labels. */
  readonly contents: MemoryContents;
  readonly source: DatasetSource | undefined;
  readonly skipped: readonly SkippedFile[];

  constructor(contents: MemoryContents, source?: DatasetSource, skipped: readonly SkippedFile[] = []) {
    this.contents = contents;
    this.source = source;
    this.skipped = skipped;
  }

  get name(): string {
    return this.contents.name;
  }

  /** In the order of the labels. */
  get classNames(): readonly string[] {
    return this.contents.classNames;
  }

  get channels(): 1 | 3 {
    return this.contents.channels;
  }

  /** Number of pictures. */
  get length(): number {
    return this.contents.labels.length;
  }

  label(index: number): number {
    return this.contents.labels[index]!;
  }

  read(index: number): Image {
    const { pixels, heights, widths, offsets, channels } = this.contents;
    const [height, width, from] = [heights[index]!, widths[index]!, offsets[index]!];
    return { width, height, channels, data: pixels.subarray(from, from + height * width * channels) };
  }

  select(indices: ArrayLike<number>, name = this.name): MemoryDataset {
    const { contents } = this;
    const pick = <T extends Int32Array | Float64Array>(from: T, to: T): T => {
      for (let i = 0; i < indices.length; i++) to[i] = from[indices[i]!]!;
      return to;
    };
    const count = indices.length;
    return new MemoryDataset({
      ...contents,
      name,
      labels: pick(contents.labels, sharedInt32(count)),
      heights: pick(contents.heights, sharedInt32(count)),
      widths: pick(contents.widths, sharedInt32(count)),
      offsets: pick(contents.offsets, sharedFloat64(count)),
    });
  }
}

/**
 * A data set of pictures that all have one size.
 * @param options.pixels [labels.length][height][width][channels]; kept, not copied
 * @throws UserError where the pixels do not fill that, or a label names no class
 */
export function memoryDataset(options: {
  name: string;
  classNames: readonly string[];
  channels: 1 | 3;
  height: number;
  width: number;
  pixels: Uint8Array;
  labels: ArrayLike<number>;
  source?: DatasetSource;
}): MemoryDataset {
  const { name, classNames, channels, height, width, pixels, source } = options;
  const count = options.labels.length;
  const bytes = height * width * channels;
  if (pixels.length !== count * bytes) {
    throw new UserError({
      expected: `${count} × ${height} × ${width} × ${channels} = ${count * bytes} bytes of pixels for ${name}`,
      received: `${pixels.length} bytes`,
    });
  }
  const labels = sharedInt32(count);
  const offsets = sharedFloat64(count);
  for (let i = 0; i < count; i++) {
    const label = options.labels[i]!;
    if (!(Number.isInteger(label) && label >= 0 && label < classNames.length)) {
      throw new UserError({
        expected: `labels below ${classNames.length} for ${name}`,
        received: `${label} for picture ${i}`,
      });
    }
    labels[i] = label;
    offsets[i] = i * bytes;
  }
  const heights = sharedInt32(count).fill(height);
  const widths = sharedInt32(count).fill(width);
  return new MemoryDataset({ name, classNames, channels, pixels, labels, heights, widths, offsets }, source);
}

/**
 * The data set decoded once, for sets whose pictures are small: epochs then cost no decoding. Broken pictures of a
 * lenient folder are left out and listed in `skipped`.
 * @param options.maxBytes how much memory the pictures may take; default 1 GiB
 * @param options.onProgress called now and then with the number of pictures read
 * @returns undefined where the pictures need more than `maxBytes`, or the signal ended the reading
 */
export async function decodeIntoMemory(
  dataset: Dataset,
  options: { maxBytes?: number; signal?: AbortSignal; onProgress?: (done: number, total: number) => void } = {},
): Promise<MemoryDataset | undefined> {
  const { maxBytes = 2 ** 30, signal, onProgress } = options;
  const { name, classNames, channels, length } = dataset;
  const images = new Array<Image | undefined>(length).fill(undefined);
  let bytes = 0;
  const visit = (index: number, read: Image): boolean => {
    const image = toChannels(read, channels);
    images[index] = image;
    bytes += image.data.length;
    return bytes <= maxBytes && !signal?.aborted;
  };
  const skipped = await readAll(dataset, visit, onProgress && ((done) => onProgress(done, length)));
  if (bytes > maxBytes || signal?.aborted) return undefined;

  const kept = images.flatMap((image, index) => (image ? [index] : []));
  const pixels = sharedBytes(bytes);
  const contents: MemoryContents = {
    name,
    classNames,
    channels,
    pixels,
    labels: sharedInt32(kept.length),
    heights: sharedInt32(kept.length),
    widths: sharedInt32(kept.length),
    offsets: sharedFloat64(kept.length),
  };
  let offset = 0;
  kept.forEach((index, i) => {
    const image = images[index]!;
    contents.labels[i] = dataset.label(index);
    contents.heights[i] = image.height;
    contents.widths[i] = image.width;
    contents.offsets[i] = offset;
    pixels.set(image.data, offset);
    offset += image.data.length;
  });
  return new MemoryDataset(contents, undefined, skipped);
}

/** `length` bytes that workers can share without a copy, where the platform has shared memory. */
export function sharedBytes(length: number): Uint8Array<ArrayBufferLike> {
  return new Uint8Array(sharedBuffer(length));
}

function sharedInt32(length: number): Int32Array {
  return new Int32Array(sharedBuffer(length * 4));
}

function sharedFloat64(length: number): Float64Array {
  return new Float64Array(sharedBuffer(length * 8));
}

function sharedBuffer(bytes: number): ArrayBufferLike {
  return typeof SharedArrayBuffer === "undefined" ? new ArrayBuffer(bytes) : new SharedArrayBuffer(bytes);
}
