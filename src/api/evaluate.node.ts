import { pixelWarnings, preprocessingWarnings } from "../analysis/diagnosis/preprocessing.js";
import { describeStatistics } from "../analysis/diagnosis/statistics.js";
import { type ComputeOptions, usingBackend } from "../backend/using-backend.node.js";
import { answersTo } from "../classifier/answers.js";
import { type AskedFacts, classifierOf, classifierShape, type NetClassifier } from "../classifier/net-classifier.js";
import type { PartialPreprocessing } from "../core/preprocessing.js";
import type { Dataset } from "../data/dataset.js";
import type { OpenOptions } from "../data/open-dataset.node.js";
import { createSession } from "../engine/session.js";
import { type Net, netOf } from "../exchange/net.js";
import { statedFacts } from "../exchange/picture-input.js";
import type { Model } from "../nn/model.js";
import { checkClasses } from "../recipe/classes.js";
import { PixelStatistics } from "../recipe/statistics.js";
import { ClassificationMetrics } from "../train/metrics.js";
import { evaluationLoader } from "./datasets.node.js";
import { type Evaluation, evaluationOf } from "./evaluation.js";
import { type EvaluationSplit, evaluationSet } from "./evaluation-set.node.js";
import { netWarnings } from "./net-warnings.js";

export type { Evaluation };

export interface EvaluateOptions extends ComputeOptions, OpenOptions, AskedFacts {
  /** Default 64; a graph that takes another number in every run gets that. */
  readonly batchSize?: number;
  /** Prepare pictures otherwise than the net's file says; what differs is warned of. */
  readonly preprocessing?: PartialPreprocessing;
  /** Ask about each picture and its mirror image, and take the mean of both probabilities: twice the time. Default false. */
  readonly flips?: boolean;
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
 * Accuracy of a model in either form, or of any net that classifies (one input of pictures, one output [N, classes]), on labelled pictures.
 * @param data a folder or known name (see {@link EvaluateOptions.split}), or a data set.
 * @throws UserError when the net does not classify pictures, the classes are not its own, the data cannot be read, or it cannot be told
 *   which pictures were trained on.
 */
export async function evaluate(
  trained: Model | Net,
  data: string | Dataset,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const net = "graph" in trained ? trained : netOf(trained);
  const classifier = classifierOf(net, options);
  const { preprocessing, classNames, batch: batchSize = options.batchSize ?? 64 } = classifier;
  const provenance = net.model?.metadata.provenance ?? {};
  const { dataset, notes } =
    typeof data === "string" ? await evaluationSet(provenance, data, options) : { dataset: data, notes: [] };
  checkClasses({ metadata: { classNames } }, dataset);
  const loader = evaluationLoader(dataset, { metadata: { preprocessing } }, { batchSize });
  const metrics = new ClassificationMetrics(classNames.length);
  const pixels = new PixelStatistics(preprocessing.channels);
  try {
    await usingBackend(options, async (backend) => {
      const shape = classifierShape(classifier, batchSize);
      const session = createSession(classifier.graph, { backend, shape, fuseBatchNorm: false });
      try {
        for await (const batch of loader.epoch(0)) {
          pixels.push(batch.images, Math.ceil(batch.images.length / preprocessing.channels / pixelsOfBatch));
          const logits = answersTo(classifier, session, batch, options.flips);
          for (let i = 0; i < batch.size; i++) {
            metrics.add(
              logits.subarray(i * metrics.classes, (i + 1) * metrics.classes),
              batch.labels[i]!,
              batch.indices[i]!,
            );
          }
          options.onImages?.(metrics.count, dataset.length);
        }
      } finally {
        session.dispose();
      }
    });
  } finally {
    await loader.dispose();
  }
  const stated = { ...preprocessing, ...statedFacts(net).preprocessing };
  return {
    ...evaluationOf(metrics, dataset),
    skipped: [...loader.skipped],
    warnings: [
      ...notes,
      ...preprocessingWarnings(stated, preprocessing).map(({ message }) => message),
      ...pixelWarnings(pixels, preprocessing).map(({ message }) => message),
      ...describeStatistics(netWarnings(net)),
    ],
    assumed: [...classifier.notes, ...orderNotes(classifier, dataset)],
  };
}

/** Numbers say nothing of the order: the data's is taken. */
function orderNotes({ assumed }: NetClassifier, { classNames }: Dataset): string[] {
  const named = classNames.some((name, i) => name !== String(i));
  if (!assumed.includes("classNames") || !named) return [];
  const some = classNames.length > 4 ? [...classNames.slice(0, 4), "…"] : classNames;
  return [`the net's classes are taken to be the data's, in its order: ${some.join(", ")}`];
}
