import type { Dataset, SkippedFile } from "../data/dataset.js";
import { checkSameClasses, heldOutPart } from "../data/hold-out.js";
import type { Loader } from "../data/loader.js";
import { createLoader, type ThreadedLoaderOptions } from "../data/loader.node.js";
import { findSplit, type OpenOptions, openDataset, openTrainAndTest } from "../data/open-dataset.node.js";
import { labelColumnsOf } from "../labels/columns.js";
import type { ModelMetadata } from "../nn/model.js";
import { describeDataset } from "../survey/describe.node.js";
import type { SplitsDescription } from "../survey/description.js";
import type { SplitOrigin } from "./training-sets.js";

export type { Dataset, DatasetSource, FolderSource, IgnoredFiles, Image, SkippedFile } from "../data/dataset.js";
export { type OpenOptions, openDataset, type Split } from "../data/open-dataset.node.js";
export type { LabelColumns } from "../labels/columns.js";
export type {
  DataProblem,
  DatasetDescription,
  DataWarning,
  Lookalike,
  SplitsDescription,
} from "../survey/description.js";
export type { SplitOrigin } from "./training-sets.js";

/** Pictures to train on and pictures to test on. */
export interface TrainAndTest {
  /** Pictures to learn from. */
  readonly train: Dataset;
  /** Pictures on which the accuracy is measured. */
  readonly test: Dataset;
  /** How they can be opened again, where they come from a place. */
  readonly origin?: SplitOrigin;
  /**
   * Part of each class that was held out for testing; undefined where the test pictures are a split of their own. 0: none was, the test
   * pictures are those to train on, and what is measured on them says nothing of others.
   */
  readonly heldOut?: number;
}

/** How a place without test pictures of its own is divided. */
export interface SplitOptions extends OpenOptions {
  /**
   * Part of each class that is held out for testing where the place has no test split, from 0 (none) to below 1.
   * Default 0.1, of fewer than 500 pictures 0.2.
   */
  readonly holdOut?: number;
  /** Of the choice of held-out pictures. Default 0. */
  readonly seed?: number;
}

/** A place (folder or known name), or data sets that are open already. */
export async function trainAndTest(data: string | TrainAndTest, options: SplitOptions = {}): Promise<TrainAndTest> {
  if (typeof data !== "string") return data;
  const { seed = 0 } = options;
  const { train, test, holdOut } = await openTrainAndTest(data, { ...options, seed });
  const origin = {
    place: data,
    holdOut: holdOut ?? options.holdOut ?? heldOutPart(train.length),
    seed,
    ...labelColumnsOf(options),
  };
  return { train, test, origin, ...(holdOut !== undefined && { heldOut: holdOut }) };
}

/** The test pictures of a place (all of its pictures where it has no splits), or a data set that is open already. */
export async function testSet(data: string | Dataset, options: OpenOptions = {}): Promise<Dataset> {
  if (typeof data !== "string") return data;
  return (await findSplit(data, "test", options)) ?? openDataset(data, "train", options);
}

/**
 * Reads all pictures of a place, as it is split there: counts, sizes, broken files, duplicates, leaks from training to test.
 * @throws UserError when it cannot be opened, or its splits do not have the same classes.
 */
export async function surveyData(
  place: string,
  options: OpenOptions & { readonly onImages?: (done: number, total: number) => void } = {},
): Promise<SplitsDescription> {
  const train = await openDataset(place, "train", options);
  const test = await findSplit(place, "test", options);
  if (test) checkSameClasses(train, test);
  const total = train.length + (test?.length ?? 0);
  return describeDataset(train, test, { onProgress: (done) => options.onImages?.(done, total) });
}

/** A loader of pictures in order, framed as the model wants them. */
export function evaluationLoader(
  dataset: Dataset,
  model: { readonly metadata: Pick<ModelMetadata, "preprocessing"> },
  options: Pick<ThreadedLoaderOptions, "batchSize"> & Partial<ThreadedLoaderOptions>,
): Loader {
  const { size, channels, cropRatio } = model.metadata.preprocessing;
  return createLoader(dataset, { size, channels, cropRatio, seed: 0, ...options });
}

/** Files in any of the lists, each once. */
export function uniqueSkipped(...lists: readonly (readonly SkippedFile[])[]): SkippedFile[] {
  return [...new Map(lists.flat().map((skipped) => [skipped.file, skipped])).values()];
}
