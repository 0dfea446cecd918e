import { type ComputeOptions, usingBackend } from "../backend/using-backend.node.js";
import { graphInput } from "../classifier/input.js";
import { picturesOf } from "../classifier/net-classifier.js";
import type { PartialPreprocessing } from "../core/preprocessing.js";
import type { Dataset } from "../data/dataset.js";
import { createLoader } from "../data/loader.node.js";
import type { OpenOptions } from "../data/open-dataset.node.js";
import type { Net } from "../exchange/net.js";
import type { Model } from "../nn/model.js";
import { spreadOver } from "../recipe/spread-over.js";
import { type CompareOptions, compareNets } from "../verify/compare.js";
import type { Verification, VerifyInput } from "../verify/verify-models.js";
import { testSet } from "./datasets.node.js";

export type { Difference } from "../verify/difference.js";
export type { OutputVerification, ValueDifference, Verdict, Verification } from "../verify/verify-models.js";

export interface VerifyModelsOptions extends CompareOptions, ComputeOptions, OpenOptions {
  /**
   * Real pictures to compare on: a folder, a known name, or a data set; with `images`, so many that are spread evenly over the set.
   * Default: random inputs (standard normal).
   */
  readonly data?: string | Dataset;
  /** Prepare real pictures otherwise than the reference's file says, or than is usual where it says nothing. */
  readonly preprocessing?: PartialPreprocessing;
  /** Told of the pictures under way. */
  readonly onImages?: (done: number, total: number) => void;
}

/**
 * Compares the outputs of two nets on the same pictures, and the values inside by name: how far apart they are, on how
 * many pictures they name another class, and where they part.
 * @throws IncomparableError when the nets do not take the same inputs or do not give the same outputs (classes, maps): with the
 *   findings that say what each has.
 */
export function verify(
  reference: Model | Net,
  candidate: Model | Net,
  options: VerifyModelsOptions = {},
): Promise<Verification> {
  const { data } = options;
  const inputs = data === undefined ? undefined : (net: Net, batch: number) => pictures(net, batch, data, options);
  return usingBackend(options, (backend) => compareNets(backend, reference, candidate, options, inputs));
}

async function* pictures(
  net: Net,
  batchSize: number,
  data: string | Dataset,
  { images, onImages, preprocessing: asked = {}, ...options }: VerifyModelsOptions,
): AsyncGenerator<VerifyInput> {
  const { preprocessing, input } = picturesOf(net, { preprocessing: asked });
  const { size, channels, cropRatio } = preprocessing;
  const opened = await testSet(data, options);
  const dataset = images === undefined ? opened : spreadOver(opened, images);
  const loader = createLoader(dataset, { size, channels, cropRatio, seed: 0, batchSize });
  let done = 0;
  try {
    for await (const batch of loader.epoch(0)) {
      yield graphInput(batch, preprocessing, input.layout);
      done += batch.size;
      onImages?.(done, dataset.length);
    }
  } finally {
    await loader.dispose();
  }
}
