import { type ComputeOptions, usingBackend } from "../backend/using-backend.node.js";
import type { Image } from "../data/dataset.js";
import { decodeImage } from "../data/decode.node.js";
import { createSession, type Session } from "../engine/session.js";
import type { Net } from "../exchange/net.js";
import type { Model } from "../nn/model.js";
import {
  type ClassifierOptions,
  classifierInput,
  classifierLogits,
  classifierOf,
  classifierShape,
  type NetClassifier,
} from "./net-classifier.js";
import { framed, likeliest, type Prediction } from "./prediction.js";

export type { Prediction };

export interface PredictOptions extends ComputeOptions, ClassifierOptions {
  /** Classes to return, the likeliest first. Default 5. */
  readonly top?: number;
}

/**
 * What a picture shows, by a model in either form, or any net that classifies (see {@link classifierOf}).
 * @param picture path, encoded bytes (JPEG, PNG, WebP) or decoded pixels.
 * @throws UserError when the picture cannot be read, or the net does not classify pictures.
 */
export async function predict(
  model: Model | Net,
  picture: string | Uint8Array | Image,
  options: PredictOptions = {},
): Promise<Prediction[]> {
  const [result] = await predictAll(model, [picture], options);
  return result!;
}

/** {@link predict} of several pictures with one session. */
export async function predictAll(
  model: Model | Net,
  pictures: readonly (string | Uint8Array | Image)[],
  options: PredictOptions = {},
): Promise<Prediction[][]> {
  const classifier = classifierOf(model, options);
  return usingBackend(options, async (backend) => {
    const session = createSession(classifier.graph, { backend, shape: classifierShape(classifier, 1) });
    try {
      const results: Prediction[][] = [];
      for (const picture of pictures) {
        results.push(classify(classifier, session, await decoded(picture), options.top ?? 5));
      }
      return results;
    } finally {
      session.dispose();
    }
  });
}

/** @throws UserError when the picture cannot be read. */
export async function decoded(picture: string | Uint8Array | Image): Promise<Image> {
  return typeof picture === "string" || picture instanceof Uint8Array ? decodeImage(picture) : picture;
}

function classify(classifier: NetClassifier, session: Session, picture: Image, top: number): Prediction[] {
  const input = classifierInput(classifier, framed(picture, classifier.preprocessing));
  const logits = classifierLogits(classifier, session.run(input)[classifier.outputName]!, 1);
  return likeliest(logits, classifier.classNames, top);
}
