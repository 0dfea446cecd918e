import { UserError } from "../core/errors.js";
import { rngFor } from "../core/rng.js";
import { augment } from "./augmentation/augment.js";
import { type AugmentationConfig, checkAugmentation } from "./augmentation/config.js";
import { BrokenImageError } from "./broken-image.js";
import type { Batch, Dataset, Image, SkippedFile } from "./dataset.js";
import { frameForEvaluation } from "./evaluation-transform.js";
import { isLenient } from "./read-all.js";

/** What a batch holds: all that its contents depend on, besides the data set, the epoch and the step. Plain data. */
export interface BatchOptions {
  readonly batchSize: number;
  /** Height and width of the net's input. */
  readonly size: readonly [height: number, width: number];
  readonly channels: 1 | 3;
  /** As in Preprocessing; where the augmentation does not crop at random. Default 1. */
  readonly cropRatio?: number;
  /** Left out: pictures are framed as for evaluation. */
  readonly augmentation?: AugmentationConfig;
  readonly seed: number;
  /** Default: true for training (an augmentation is given), else false. */
  readonly shuffle?: boolean;
  /** The last, short batch of an epoch is left out. Default: as `shuffle`. */
  readonly dropLast?: boolean;
}

/** One batch, and the files that were found broken in making it. */
export interface MadeBatch {
  readonly batch: Batch;
  readonly skipped: readonly SkippedFile[];
}

/**
 * Makes the batches of any epoch and step. The order depends on (seed, epoch), the variation of a picture on (seed,
 * epoch, index) and nothing else: whoever makes a batch makes the same one.
 */
export class BatchMaker {
  readonly stepsPerEpoch: number;
  /** Whether epochs are shuffled: then a broken picture's place is filled, else it is left out. */
  readonly shuffle: boolean;
  readonly #dataset: Dataset;
  readonly #options: BatchOptions;
  readonly #broken = new Map<number, SkippedFile>();
  #order: { epoch: number; indices: Int32Array } | undefined;

  /** @throws UserError for an impossible batch size or augmentation, or an empty data set */
  constructor(dataset: Dataset, options: BatchOptions) {
    const { batchSize, augmentation } = options;
    this.#dataset = dataset;
    this.#options = options;
    this.shuffle = options.shuffle ?? augmentation !== undefined;
    const dropLast = options.dropLast ?? this.shuffle;
    if (!Number.isInteger(batchSize) || batchSize < 1) {
      throw new UserError({ expected: "a batch size of at least 1", received: String(batchSize) });
    }
    if (augmentation) checkAugmentation(augmentation);
    const steps = dataset.length / batchSize;
    this.stepsPerEpoch = dropLast ? Math.floor(steps) : Math.ceil(steps);
    if (this.stepsPerEpoch === 0) {
      throw new UserError({
        expected: `at least ${dropLast ? batchSize : 1} pictures in ${dataset.name}`,
        received: String(dataset.length),
        remedy: dropLast ? "use a smaller batch (--batch-size, batchSize) or more pictures" : "add pictures",
      });
    }
  }

  /**
   * The batch of a step. Broken pictures of a lenient data set are skipped: in a shuffled epoch the next good picture of
   * the order takes the place, so that batches keep their size, else the batch is shorter (it may be empty).
   */
  async make(epoch: number, step: number): Promise<MadeBatch> {
    const { batchSize, size, channels } = this.#options;
    const [height, width] = size;
    const order = this.#orderOf(epoch);
    const first = step * batchSize;
    const count = Math.min(batchSize, order.length - first);
    const bytes = height * width * channels;
    const images = new Uint8Array(count * bytes);
    const indices = new Int32Array(count).fill(-1);
    const skipped: SkippedFile[] = [];

    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < count) {
        const slot = next++;
        const filled = await this.#fill(order, first + slot, epoch, skipped);
        if (!filled) continue;
        images.set(filled.image.data, slot * bytes);
        indices[slot] = filled.index;
      }
    };
    // Two at a time: one is decoded (in a thread of its own) while another is resized and varied here.
    await Promise.all([worker(), worker()]);
    return { batch: this.#batchOf(images, indices), skipped };
  }

  async #fill(
    order: Int32Array,
    position: number,
    epoch: number,
    skipped: SkippedFile[],
  ): Promise<{ index: number; image: Image } | undefined> {
    const attempts = this.shuffle ? order.length : 1;
    for (let attempt = 0; attempt < attempts; attempt++) {
      const index = order[(position + attempt) % order.length]!;
      const decoded = await this.#read(index, skipped);
      if (decoded) return { index, image: this.#framed(decoded, epoch, index) };
    }
    if (!this.shuffle) return undefined;
    throw new UserError({ expected: `a readable picture in ${this.#dataset.name}`, received: "only broken ones" });
  }

  async #read(index: number, skipped: SkippedFile[]): Promise<Image | undefined> {
    const known = this.#broken.get(index);
    if (known) return undefined;
    try {
      const image = this.#dataset.read(index);
      return image instanceof Promise ? await image : image;
    } catch (error) {
      if (!(error instanceof BrokenImageError) || !isLenient(this.#dataset)) throw error;
      const file = { file: error.file, reason: error.reason };
      this.#broken.set(index, file);
      skipped.push(file);
      return undefined;
    }
  }

  #framed(image: Image, epoch: number, index: number): Image {
    const { size, channels, cropRatio = 1, augmentation, seed } = this.#options;
    const framing = { size, channels, cropRatio };
    return augmentation
      ? augment(image, augmentation, framing, rngFor(seed, "augment", epoch, index))
      : frameForEvaluation(image, framing);
  }

  /** Moves the filled slots together and drops the rest. */
  #batchOf(images: Uint8Array, slots: Int32Array): Batch {
    const { size, channels } = this.#options;
    const [height, width] = size;
    const bytes = height * width * channels;
    let count = 0;
    slots.forEach((index, slot) => {
      if (index < 0) return;
      if (count !== slot) images.copyWithin(count * bytes, slot * bytes, (slot + 1) * bytes);
      slots[count++] = index;
    });
    const complete = count === slots.length;
    const indices = complete ? slots : slots.slice(0, count);
    return {
      size: count,
      height,
      width,
      channels,
      images: complete ? images : images.slice(0, count * bytes),
      labels: indices.map((index) => this.#dataset.label(index)),
      indices,
    };
  }

  #orderOf(epoch: number): Int32Array {
    if (this.#order?.epoch === epoch) return this.#order.indices;
    const indices = Int32Array.from({ length: this.#dataset.length }, (_, i) => i);
    if (this.shuffle) rngFor(this.#options.seed, "order", epoch).shuffle(indices);
    this.#order = { epoch, indices };
    return indices;
  }
}
