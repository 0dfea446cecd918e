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
  const sums = new Float64Array(channels);
  const squares = new Float64Array(channels);
  let pixels = 0;
  try {
    for await (const { images } of loader.epoch(0)) {
      for (let i = 0; i < images.length; i++) {
        const value = images[i]! / 255;
        sums[i % channels]! += value;
        squares[i % channels]! += value * value;
      }
      pixels += images.length / channels;
    }
  } finally {
    await loader.dispose();
  }
  const round = (value: number): number => Number(value.toFixed(4));
  const mean = Array.from(sums, (sum) => sum / pixels);
  // A set of one colour would divide by 0.
  const std = mean.map((m, c) => Math.max(0.01, Math.sqrt(Math.max(0, squares[c]! / pixels - m * m))));
  return { mean: mean.map(round), std: std.map(round) };
}
