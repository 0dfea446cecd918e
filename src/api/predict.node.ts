import { type ComputeOptions, usingBackend } from "../backend/using-backend.node.js";
import { answersTo } from "../classifier/answers.js";
import { type AskedFacts, classifierOf, classifierShape } from "../classifier/net-classifier.js";
import type { Picture } from "../classifier/picture.js";
import { decodePicture } from "../classifier/picture.node.js";
import { framed, likeliest, type Prediction } from "../classifier/prediction.js";
import { checkOptions, checkSignal, checkWhole } from "../core/check-options.js";
import { UserError } from "../core/errors.js";
import { createSession } from "../engine/session.js";
import type { Net } from "../exchange/net.js";
import { checkModel } from "../nn/is-model.js";
import type { Model } from "../nn/model.js";
import { withClassifier } from "./shared-classifier.node.js";

export type { Prediction };

/**
 * A model without `backend`, `classNames` and `preprocessing` works off the caller's thread: see {@link createClassifier}, which services
 * should use themselves.
 */
export interface PredictOptions extends ComputeOptions, AskedFacts {
  /** Classes to return, the likeliest first. Default 5. */
  readonly top?: number;
  /** The same, by the name that classifiers and browsers have for it. */
  readonly topK?: number;
  /** Ask about the picture and its mirror image, and take the mean of both probabilities; on this thread. Default false. */
  readonly flips?: boolean;
  /** Gives up; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

const optionNames = [
  "top",
  "topK",
  "signal",
  "flips",
  "threads",
  "kernels",
  "relaxed",
  "backend",
  "classNames",
  "preprocessing",
];
/** Pictures of one call that are under way at once. */
const lanes = 16;

/**
 * What a picture shows, by a model in either form (in training form it is folded first, where no `backend` is given), or any net that
 * classifies (one input of pictures, one output [N, classes]).
 * @param picture path or address, encoded bytes (JPEG, PNG, WebP), or pixels: see {@link Picture}
 * @throws UserError for what is no picture or cannot be read, a net that does not classify pictures, and for unknown options.
 */
export async function predict(
  model: Model | Net,
  picture: Picture,
  options: PredictOptions = {},
): Promise<Prediction[]> {
  const [result] = await predictAll(model, [picture], options);
  return result!;
}

/** {@link predict} of several pictures. */
export async function predictAll(
  model: Model | Net,
  pictures: readonly Picture[],
  options: PredictOptions = {},
): Promise<Prediction[][]> {
  if (!isNet(model)) checkModel(model);
  const repvgg = isNet(model) ? model.model : model;
  if (!Array.isArray(pictures)) {
    throw new UserError({ expected: "an array of pictures", received: typeof pictures, remedy: "use predict for one" });
  }
  const top = wantedClasses(options);
  const { backend, signal, classNames, preprocessing, flips } = options;
  if (!repvgg || backend || classNames || preprocessing || flips) return onThisThread(model, pictures, top, options);
  return withClassifier(repvgg, options, (classifier) =>
    eachInOrder(pictures, async (picture) => {
      const { predictions } = await classifier.classify(picture, { topK: top, ...(signal && { signal }) });
      return [...predictions];
    }),
  );
}

function isNet(value: Model | Net): value is Net {
  return typeof value === "object" && value !== null && "graph" in value;
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

async function onThisThread(
  model: Model | Net,
  pictures: readonly Picture[],
  top: number,
  options: PredictOptions,
): Promise<Prediction[][]> {
  const classifier = classifierOf(model, options);
  return usingBackend(options, async (backend) => {
    const session = createSession(classifier.graph, { backend, shape: classifierShape(classifier, 1) });
    try {
      const results: Prediction[][] = [];
      for (const picture of pictures) {
        const seen = framed(await decodePicture(picture), classifier.preprocessing);
        options.signal?.throwIfAborted();
        const logits = answersTo(classifier, session, seen, options.flips);
        results.push(likeliest(logits, classifier.classNames, top));
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
