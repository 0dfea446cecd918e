import { type Verification, verifyModels } from "../analysis/verify.js";
import { UserError } from "../core/errors.js";
import { rngFor } from "../core/rng.js";
import type { Dataset } from "../data/dataset.js";
import type { OpenOptions } from "../data/open-dataset.node.js";
import type { Model } from "../nn/model.js";
import { toGraph } from "../nn/to-graph.js";
import { type ComputeOptions, usingBackend } from "./backend.node.js";
import { evaluationLoader, testSet } from "./datasets.node.js";
import { graphInput } from "./input.js";
import { spreadOver } from "./spread-over.js";

export type { Difference } from "../analysis/difference.js";
export type { ValueDifference, Verification } from "../analysis/verify.js";

export interface VerifyModelsOptions extends ComputeOptions, OpenOptions {
  /** Real pictures to compare on: a folder, a known name, or a data set. Default: random inputs (standard normal). */
  readonly data?: string | Dataset;
  /** Pictures to compare on; of real ones, so many that are spread evenly over the set. Default: all, or 64 random ones. */
  readonly images?: number;
  /** Of the random inputs. Default 0. */
  readonly seed?: number;
  /** Relative error from which outputs count as different. Default 1e-4. */
  readonly threshold?: number;
  /** Told of the pictures under way. */
  readonly onImages?: (done: number, total: number) => void;
}

/**
 * Compares the outputs of two models on the same pictures, and the values inside by name: how far apart they are, on how
 * many pictures they name another class, and where they part.
 * @throws UserError when the models do not take the same input or do not have the same classes.
 */
export async function verify(
  reference: Model,
  candidate: Model,
  options: VerifyModelsOptions = {},
): Promise<Verification> {
  checkComparable(reference, candidate);
  const inputs = options.data === undefined ? randomInputs(reference, options) : pictures(reference, options);
  const { channels, size } = reference.metadata.preprocessing;
  const { threshold } = options;
  return usingBackend(options, (backend) =>
    verifyModels(toGraph(reference), toGraph(candidate), inputs, {
      backend,
      shape: [1, channels, ...size],
      ...(threshold === undefined ? {} : { threshold }),
    }),
  );
}

type Input = ReturnType<typeof graphInput>;

const batchSize = 32;

function* randomInputs(model: Model, { images = 64, seed = 0 }: VerifyModelsOptions): Generator<Input> {
  const { channels, size } = model.metadata.preprocessing;
  const rng = rngFor(seed, "verify");
  for (let done = 0; done < images; done += batchSize) {
    const shape = [Math.min(batchSize, images - done), channels, ...size];
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
    for (let i = 0; i < data.length; i++) data[i] = rng.normal();
    yield { shape, data };
  }
}

async function* pictures(
  model: Model,
  { data, images, onImages, ...options }: VerifyModelsOptions,
): AsyncGenerator<Input> {
  const opened = await testSet(data!, options);
  const dataset = images === undefined ? opened : spreadOver(opened, images);
  const loader = evaluationLoader(dataset, model, { batchSize });
  let done = 0;
  try {
    for await (const batch of loader.epoch(0)) {
      yield graphInput(batch, model.metadata.preprocessing);
      done += batch.size;
      onImages?.(done, dataset.length);
    }
  } finally {
    await loader.dispose();
  }
}

function checkComparable(a: Model, b: Model): void {
  const describe = (m: Model): string =>
    `${m.architecture.inputChannels}×${m.metadata.preprocessing.size.join("×")} input and ${m.architecture.classes} classes`;
  if (describe(a) === describe(b)) return;
  throw new UserError({
    expected: `two models of the same input and classes (the first: ${describe(a)})`,
    received: describe(b),
    remedy: "compare a model with its own folded form",
  });
}
