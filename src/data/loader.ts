import { BatchMaker, type BatchOptions } from "./batches.js";
import type { Batch, Dataset, SkippedFile } from "./dataset.js";

/** Gives the batches of any epoch, from any step on. */
export interface Loader<B = Batch> {
  readonly stepsPerEpoch: number;
  /**
   * The batches of epoch `epoch`, in order, from step `fromStep` on: the same ones as an epoch from the beginning gives
   * there. One epoch at a time. Rejects with the UserError of a broken picture where the data set is strict.
   */
  epoch(epoch: number, fromStep?: number): AsyncIterable<B>;
  /** Files left out so far, each once: those found when the data set was opened and those that could not be decoded. */
  readonly skipped: readonly SkippedFile[];
  /** Stops the workers. Idempotent. */
  dispose(): Promise<void>;
}

export interface LoaderOptions extends BatchOptions {
  /** Told of each file that is left out, once. */
  readonly onSkip?: (file: SkippedFile) => void;
}

/**
 * A loader on the caller's thread, for browsers and for data sets in memory.
 * @throws UserError for options that fit no batch
 */
export function createInThreadLoader(dataset: Dataset, options: LoaderOptions): Loader {
  const maker = new BatchMaker(dataset, options);
  const skips = new SkipList(dataset.skipped, options.onSkip);
  async function* epoch(number: number, fromStep = 0): AsyncGenerator<Batch> {
    for (let step = fromStep; step < maker.stepsPerEpoch; step++) {
      const { batch, skipped } = await maker.make(number, step);
      skips.add(skipped);
      if (batch.size > 0) yield batch;
    }
  }
  return { stepsPerEpoch: maker.stepsPerEpoch, epoch, skipped: skips.files, dispose: async () => undefined };
}

/** Skipped files, each told and listed once, whoever found it and how often. */
export class SkipList {
  readonly files: SkippedFile[] = [];
  readonly #known = new Set<string>();
  readonly #onSkip: ((file: SkippedFile) => void) | undefined;

  constructor(first: readonly SkippedFile[], onSkip?: (file: SkippedFile) => void) {
    this.#onSkip = onSkip;
    this.add(first);
  }

  add(files: readonly SkippedFile[]): void {
    for (const file of files) {
      if (this.#known.has(file.file)) continue;
      this.#known.add(file.file);
      this.files.push(file);
      this.#onSkip?.(file);
    }
  }
}
