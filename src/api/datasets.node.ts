import { UserError } from "../core/errors.js";
import type { Dataset } from "../data/dataset.js";
import type { Loader } from "../data/loader.js";
import { createLoader, type ThreadedLoaderOptions } from "../data/loader.node.js";
import { type OpenOptions, openDataset, openTrainAndTest } from "../data/open-dataset.node.js";
import type { Model } from "../nn/model.js";

/** Pictures to train on and pictures to test on. */
export interface TrainAndTest {
  readonly train: Dataset;
  readonly test: Dataset;
}

/** A place (folder or known name) or data sets that are open already. */
export async function trainAndTest(
  data: string | TrainAndTest,
  options: OpenOptions & { readonly holdOut?: number; readonly seed?: number } = {},
): Promise<TrainAndTest> {
  return typeof data === "string" ? openTrainAndTest(data, options) : data;
}

/** The test pictures of a place (all of its pictures where it has no splits), or a data set that is open already. */
export async function testSet(data: string | Dataset, options: OpenOptions = {}): Promise<Dataset> {
  if (typeof data !== "string") return data;
  try {
    return await openDataset(data, "test", options);
  } catch (error) {
    if (error instanceof UserError && error.received === "one without splits")
      return openDataset(data, "train", options);
    throw error;
  }
}

/** A loader of test pictures in order, framed as the model wants them. */
export function evaluationLoader(
  dataset: Dataset,
  model: Model,
  options: Pick<ThreadedLoaderOptions, "batchSize"> & Partial<ThreadedLoaderOptions>,
): Loader {
  const { size, channels, cropRatio } = model.metadata.preprocessing;
  return createLoader(dataset, { size, channels, cropRatio, seed: 0, ...options });
}

/**
 * @throws UserError when the data set's classes are not the model's. A net whose classes have only numbers for names
 * accepts any names.
 */
export function checkClasses(model: Model, dataset: Dataset): void {
  const { classNames } = model.metadata;
  const numbered = classNames.every((name, i) => name === String(i));
  const same =
    classNames.length === dataset.classNames.length &&
    (numbered || classNames.every((name, i) => name === dataset.classNames[i]));
  if (same) return;
  throw new UserError({
    expected: `the model's ${classNames.length} classes (${some(classNames)})`,
    received: `${dataset.classNames.length} classes in ${dataset.name} (${some(dataset.classNames)})`,
    remedy: "use the data that the model was trained on, or train a model for these classes",
  });
}

function some(names: readonly string[]): string {
  return names.length <= 4 ? names.join(", ") : `${names.slice(0, 4).join(", ")}, …`;
}
