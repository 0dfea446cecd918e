import type { Preprocessing } from "../core/preprocessing.js";
import type { BatchOptions } from "../data/batches.js";
import type { Dataset } from "../data/dataset.js";
import type { Loader } from "../data/loader.js";
import { spreadOver } from "./spread-over.js";

/** Makes the loader of a platform: with threads in Node, without in a browser. */
export type MakeLoader = (dataset: Dataset, options: BatchOptions) => Loader;

/** Pictures that are looked at: enough for three digits. */
const sampleSize = 2000;

/**
 * Mean and standard deviation of the pixels by channel, in [0, 1], over pictures spread evenly over the set and framed as the
 * net sees them.
 */
export async function datasetStatistics(
  dataset: Dataset,
  { size, channels, cropRatio }: Preprocessing,
  makeLoader: MakeLoader,
): Promise<Pick<Preprocessing, "mean" | "std">> {
  const loader = makeLoader(spreadOver(dataset, sampleSize), { batchSize: 100, size, channels, cropRatio, seed: 0 });
  const statistics = new PixelStatistics(channels);
  try {
    for await (const { images } of loader.epoch(0)) statistics.push(images);
  } finally {
    await loader.dispose();
  }
  const round = (value: number): number => Number(value.toFixed(4));
  const { mean, std } = statistics;
  // A set of one colour would divide by 0.
  return { mean: mean.map(round), std: std.map((deviation) => round(Math.max(0.01, deviation))) };
}

/** Mean and standard deviation of pixels by channel, in [0, 1], of all that was pushed. */
export class PixelStatistics {
  readonly #sums: Float64Array;
  readonly #squares: Float64Array;
  #pixels = 0;

  constructor(channels: number) {
    this.#sums = new Float64Array(channels);
    this.#squares = new Float64Array(channels);
  }

  /**
   * @param images pixels one after another, channels last, 8 bits
   * @param every look at every so many-th pixel only
   */
  push(images: Uint8Array, every = 1): void {
    const channels = this.#sums.length;
    for (let i = 0; i < images.length; i += channels * every) {
      for (let c = 0; c < channels; c++) {
        const value = images[i + c]! / 255;
        this.#sums[c]! += value;
        this.#squares[c]! += value * value;
      }
      this.#pixels++;
    }
  }

  /** NaN before the first pixel. */
  get mean(): number[] {
    return Array.from(this.#sums, (sum) => sum / this.#pixels);
  }

  get std(): number[] {
    return this.mean.map((m, c) => Math.sqrt(Math.max(0, this.#squares[c]! / this.#pixels - m * m)));
  }
}
