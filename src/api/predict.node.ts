import { type ComputeOptions, usingBackend } from "../backend/using-backend.node.js";
import type { Picture } from "../classifier/picture.js";
import { decodePicture } from "../classifier/picture.node.js";
import { likeliest, type Prediction, pictureInput } from "../classifier/prediction.js";
import { checkOptions, checkSignal, checkWhole } from "../core/check-options.js";
import { UserError } from "../core/errors.js";
import { createSession } from "../engine/session.js";
import { checkModel } from "../nn/is-model.js";
import type { Model } from "../nn/model.js";
import { toGraph } from "../nn/to-graph.js";
import { withClassifier } from "./shared-classifier.node.js";

export type { Prediction };

/** Without `backend` the work is done off the caller's thread: see {@link createClassifier}, which services should use themselves. */
export interface PredictOptions extends ComputeOptions {
  /** Classes to return, the likeliest first. Default 5. */
  readonly top?: number;
  /** The same, by the name that classifiers and browsers have for it. */
  readonly topK?: number;
  readonly signal?: AbortSignal;
}

const optionNames = ["top", "topK", "signal", "threads", "kernels", "relaxed", "backend"];
/** Pictures of one call that are under way at once. */
const lanes = 16;

/**
 * What a picture shows, by a model in either form (in training form it is folded first, where no `backend` is given).
 * @param picture path or address, encoded bytes (JPEG, PNG, WebP), or pixels: see {@link Picture}
 * @throws UserError for what is no picture or cannot be read, and for unknown options.
 */
export async function predict(model: Model, picture: Picture, options: PredictOptions = {}): Promise<Prediction[]> {
  const [result] = await predictAll(model, [picture], options);
  return result!;
}

/** {@link predict} of several pictures. */
export async function predictAll(
  model: Model,
  pictures: readonly Picture[],
  options: PredictOptions = {},
): Promise<Prediction[][]> {
  checkModel(model);
  if (!Array.isArray(pictures)) {
    throw new UserError({ expected: "an array of pictures", received: typeof pictures, remedy: "use predict for one" });
  }
  const top = wantedClasses(options);
  const { backend, signal } = options;
  if (backend) return onThisThread(model, pictures, top, options);
  return withClassifier(model, options, (classifier) =>
    eachInOrder(pictures, async (picture) => {
      const { predictions } = await classifier.classify(picture, { topK: top, ...(signal && { signal }) });
      return [...predictions];
    }),
  );
}

/** @throws UserError for options that there are not, or of the wrong kind. */
function wantedClasses(options: PredictOptions): number {
  checkOptions(options, optionNames, "predict");
  const { top, topK, signal } = options;
  checkSignal(signal);
  checkWhole("top", top, 1);
  checkWhole("topK", topK, 1);
  if (top === undefined || topK === undefined) return top ?? topK ?? 5;
  throw new UserError({ expected: "top or topK", received: "both", remedy: "they mean the same: leave one out" });
}

function onThisThread(
  model: Model,
  pictures: readonly Picture[],
  top: number,
  options: PredictOptions,
): Promise<Prediction[][]> {
  return usingBackend(options, async (backend) => {
    const { preprocessing, classNames } = model.metadata;
    const { channels, size } = preprocessing;
    const session = createSession(toGraph(model), { backend, shape: [1, channels, ...size] });
    try {
      const results: Prediction[][] = [];
      for (const picture of pictures) {
        const input = pictureInput(await decodePicture(picture), preprocessing);
        options.signal?.throwIfAborted();
        results.push(likeliest(session.run(input)["logits"]!.data, classNames, top));
      }
      return results;
    } finally {
      session.dispose();
    }
  });
}

/** Results in the order of the items, some of which are worked on at once. @throws the error of the first item that has one. */
async function eachInOrder<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const errors = new Map<number, unknown>();
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length && errors.size === 0) {
      const index = next++;
      try {
        results[index] = await work(items[index]!);
      } catch (error) {
        errors.set(index, error);
      }
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  if (errors.size > 0) throw errors.get(Math.min(...errors.keys()));
  return results;
}
