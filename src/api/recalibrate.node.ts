import { type ComputeOptions, usingBackend } from "../backend/using-backend.node.js";
import type { Dataset } from "../data/dataset.js";
import { findSplit, type OpenOptions, openDataset } from "../data/open-dataset.node.js";
import type { Model } from "../nn/model.js";
import { recalibrate as recalibrateOnBatches } from "../nn/recalibrate.js";
import { hasClassesOf } from "../recipe/classes.js";
import { spreadOver } from "../recipe/spread-over.js";
import { inputTensor } from "../train/loss.js";
import { evaluationLoader } from "./datasets.node.js";
import { evaluate } from "./evaluate.node.js";

export interface RecalibrateOptions extends ComputeOptions, OpenOptions {
  /** Pictures that pass through the net together: the statistics of one layer depend a little on it. Default 64. */
  readonly batchSize?: number;
  /** Pictures to look at, spread evenly over the set. Default: all. */
  readonly images?: number;
  /** Told of the pictures done. */
  readonly onImages?: (done: number, total: number) => void;
}

/** What {@link recalibrate} did to the accuracy on pictures that it did not look at. */
export interface RecalibrationEffect {
  /** Pictures on which the accuracy was measured. */
  readonly images: number;
  /** Top-1, shares in [0, 1]. */
  readonly before: number;
  /** Top-1 with the new statistics. */
  readonly after: number;
}

/**
 * Re-estimates the running mean and variance of every BatchNorm exactly over a data set, instead of the exponential average
 * that training leaves; weights stay. To be done before folding, when the weights were averaged or changed, or the
 * pictures come from another source than those of training.
 * @param data a folder or known name (its training split), or a data set; labels are not looked at.
 * @returns the model with new statistics; its provenance says on what.
 * @throws UserError for a model in plain form, or data that cannot be read.
 */
export async function recalibrate(
  model: Model,
  data: string | Dataset,
  options: RecalibrateOptions = {},
): Promise<Model> {
  const { batchSize = 64, images, onImages } = options;
  const opened = typeof data === "string" ? await openDataset(data, "train", options) : data;
  const dataset = images === undefined ? opened : spreadOver(opened, images);
  // Folders lie sorted by class, and a batch of one class would be normalised as no picture is later.
  const loader = evaluationLoader(dataset, model, { batchSize, shuffle: true, dropLast: false });
  const { preprocessing } = model.metadata;
  let done = 0;
  try {
    const recalibrated = await usingBackend(options, (backend) =>
      recalibrateOnBatches(backend, model, loader.epoch(0), (tape, batch) => {
        done += batch.size;
        onImages?.(done, dataset.length);
        return inputTensor(tape, batch, preprocessing);
      }),
    );
    const provenance = { ...model.metadata.provenance, recalibratedOn: `${dataset.name}, ${done} pictures` };
    return { ...recalibrated, metadata: { ...recalibrated.metadata, provenance } };
  } finally {
    await loader.dispose();
  }
}

/**
 * Top-1 of a model before and after {@link recalibrate}, on the test split of the data.
 * @param data a folder or known name
 * @returns undefined where there is no test split, or its classes are not the model's
 */
export async function recalibrationEffect(
  before: Model,
  after: Model,
  data: string,
  options: RecalibrateOptions = {},
): Promise<RecalibrationEffect | undefined> {
  const { onImages, ...others } = options;
  const test = await findSplit(data, "test", options);
  if (!test || !hasClassesOf(before, test)) return undefined;
  const top1 = async (model: Model, already: number): Promise<number> => {
    const told = onImages && { onImages: (done: number, total: number) => onImages(already + done, 2 * total) };
    return (await evaluate(model, test, { ...others, ...told })).top1;
  };
  return { images: test.length, before: await top1(before, 0), after: await top1(after, test.length) };
}
