import { pixelWarnings, preprocessingWarnings } from "../analysis/diagnosis/preprocessing.js";
import { checkStatistics, describeStatistics } from "../analysis/diagnosis/statistics.js";
import { type ComputeOptions, usingBackend } from "../backend/using-backend.node.js";
import { graphInput } from "../classifier/input.js";
import type { Preprocessing } from "../core/preprocessing.js";
import type { Dataset } from "../data/dataset.js";
import type { OpenOptions } from "../data/open-dataset.node.js";
import { createSession } from "../engine/session.js";
import type { Model } from "../nn/model.js";
import { toGraph } from "../nn/to-graph.js";
import { ClassificationMetrics } from "../train/metrics.js";
import { checkClasses } from "./classes.js";
import { evaluationLoader } from "./datasets.node.js";
import { type Evaluation, evaluationOf } from "./evaluation.js";
import { type EvaluationSplit, evaluationSet } from "./evaluation-set.node.js";
import { PixelStatistics } from "./statistics.js";
import { withPreprocessing } from "./with-preprocessing.js";

export type { Evaluation };

export interface EvaluateOptions extends ComputeOptions, OpenOptions {
  readonly batchSize?: number;
  /** Prepare pictures otherwise than the model file says; what differs is warned of. */
  readonly preprocessing?: Partial<Preprocessing>;
  /** Told of the pictures done. */
  readonly onImages?: (done: number, total: number) => void;
  /**
   * Which pictures of a folder or known name. Default: its test split; where it has none all, or, where the model was trained on them, those
   * that were held out.
   */
  readonly split?: EvaluationSplit;
}

/** About so many pixels of a batch are looked at for their mean and deviation. */
const pixelsOfBatch = 8192;

/**
 * Accuracy of a model, in either form, on labelled pictures.
 * @param data a folder or known name (see {@link EvaluateOptions.split}), or a data set.
 * @throws UserError when the classes are not the model's, the data cannot be read, or it cannot be told which pictures were trained on.
 */
export async function evaluate(
  trained: Model,
  data: string | Dataset,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const { batchSize = 64, onImages } = options;
  const model = withPreprocessing(trained, options.preprocessing ?? {});
  const { provenance } = trained.metadata;
  const { dataset, notes } =
    typeof data === "string" ? await evaluationSet(provenance, data, options) : { dataset: data, notes: [] };
  checkClasses(model, dataset);
  const loader = evaluationLoader(dataset, model, { batchSize });
  const { preprocessing, classNames } = model.metadata;
  const metrics = new ClassificationMetrics(classNames.length);
  const pixels = new PixelStatistics(preprocessing.channels);
  try {
    await usingBackend(options, async (backend) => {
      const shape = [batchSize, preprocessing.channels, ...preprocessing.size];
      const session = createSession(toGraph(model), { backend, shape, fuseBatchNorm: false });
      try {
        for await (const batch of loader.epoch(0)) {
          pixels.push(batch.images, Math.ceil(batch.images.length / preprocessing.channels / pixelsOfBatch));
          const logits = session.run(graphInput(batch, preprocessing))["logits"]!.data;
          for (let i = 0; i < batch.size; i++) {
            metrics.add(
              logits.subarray(i * metrics.classes, (i + 1) * metrics.classes),
              batch.labels[i]!,
              batch.indices[i]!,
            );
          }
          onImages?.(metrics.count, dataset.length);
        }
      } finally {
        session.dispose();
      }
    });
  } finally {
    await loader.dispose();
  }
  return {
    ...evaluationOf(metrics, dataset),
    skipped: [...loader.skipped],
    warnings: [
      ...notes,
      ...preprocessingWarnings(trained.metadata.preprocessing, preprocessing).map(({ message }) => message),
      ...pixelWarnings(pixels, preprocessing).map(({ message }) => message),
      ...describeStatistics(checkStatistics(model)),
    ],
  };
}
