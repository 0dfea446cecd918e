import type { BackendOptions } from "../backend/options.js";
import type { Classifier } from "../classifier/contract.js";
import { createClassifier } from "../classifier/create-classifier.node.js";
import type { Model } from "../nn/model.js";

/** Milliseconds that a classifier stays ready when nobody uses it. */
const idle = 5_000;

interface Shared {
  readonly classifier: Promise<Classifier>;
  users: number;
  timer: NodeJS.Timeout | undefined;
}

/** Classifiers of this process, by model and kernels: models do not change. */
const classifiers = new WeakMap<Model, Map<string, Shared>>();

/**
 * Works with the process's classifier of a model, which is made when it is first wanted and goes some seconds after it was last used.
 * Its queue has no bound: whoever calls holds the pictures anyway.
 * @throws UserError where it cannot be made.
 */
export async function withClassifier<R>(
  model: Model,
  { threads, kernels, relaxed }: BackendOptions,
  work: (classifier: Classifier) => Promise<R>,
): Promise<R> {
  const key = JSON.stringify([kernels ?? process.env["REPVGG_BACKEND"], threads, relaxed]);
  const ofModel = classifiers.get(model) ?? new Map<string, Shared>();
  classifiers.set(model, ofModel);
  const shared = ofModel.get(key) ?? {
    classifier: createClassifier(model, {
      queue: Number.MAX_SAFE_INTEGER,
      ...(threads !== undefined && { threads }),
      ...(kernels !== undefined && { kernels }),
      ...(relaxed !== undefined && { relaxed }),
    }),
    users: 0,
    timer: undefined,
  };
  ofModel.set(key, shared);
  shared.users++;
  clearTimeout(shared.timer);
  const forget = (): void => {
    if (ofModel.get(key) === shared) ofModel.delete(key);
  };
  try {
    return await work(
      await shared.classifier.catch((error: unknown) => {
        forget();
        throw error;
      }),
    );
  } finally {
    if (--shared.users === 0) {
      shared.timer = setTimeout(() => {
        forget();
        shared.classifier.then((classifier) => classifier.dispose()).catch(() => {}); // it was never there, as its callers know
      }, idle).unref();
    }
  }
}
