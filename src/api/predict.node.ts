import type { Image } from "../data/dataset.js";
import { decodeImage } from "../data/decode.node.js";
import { evalTransform } from "../data/evaluation-transform.js";
import { createSession, type Session } from "../engine/session.js";
import type { Model } from "../nn/model.js";
import { toGraph } from "../nn/to-graph.js";
import { type ComputeOptions, usingBackend } from "./backend.node.js";
import { graphInput } from "./input.js";

/** One class that a picture may show. */
export interface Prediction {
  readonly classIndex: number;
  readonly name: string;
  /** Softmax of the logits, in [0, 1]. */
  readonly probability: number;
  readonly logit: number;
}

export interface PredictOptions extends ComputeOptions {
  /** Classes to return, the likeliest first. Default 5. */
  readonly top?: number;
}

/**
 * What a picture shows, by a model in either form.
 * @param picture path, encoded bytes (JPEG, PNG, WebP) or decoded pixels.
 * @throws UserError when the picture cannot be read.
 */
export async function predict(
  model: Model,
  picture: string | Uint8Array | Image,
  options: PredictOptions = {},
): Promise<Prediction[]> {
  const [result] = await predictAll(model, [picture], options);
  return result!;
}

/** {@link predict} of several pictures with one session. */
export async function predictAll(
  model: Model,
  pictures: readonly (string | Uint8Array | Image)[],
  options: PredictOptions = {},
): Promise<Prediction[][]> {
  return usingBackend(options, async (backend) => {
    const { channels, size } = model.metadata.preprocessing;
    const session = createSession(toGraph(model), { backend, shape: [1, channels, ...size] });
    try {
      const results: Prediction[][] = [];
      for (const picture of pictures) results.push(classify(model, session, await decoded(picture), options.top ?? 5));
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

function classify(model: Model, session: Session, picture: Image, top: number): Prediction[] {
  const { preprocessing } = model.metadata;
  const [height, width] = preprocessing.size;
  const images = evalTransform(picture, preprocessing);
  const input = graphInput({ size: 1, height, width, channels: preprocessing.channels, images }, preprocessing);
  return likeliest(session.run(input)["logits"]!.data, model.metadata.classNames, top);
}

/** The `top` highest logits [classes] with their softmax; equal ones in the order of the classes. */
export function likeliest(logits: Float32Array, classNames: readonly string[], top: number): Prediction[] {
  const max = logits.reduce((a, b) => Math.max(a, b));
  const exponentials = Float64Array.from(logits, (x) => Math.exp(x - max));
  const sum = exponentials.reduce((a, b) => a + b);
  return Array.from(logits, (logit, classIndex) => ({
    classIndex,
    name: classNames[classIndex]!,
    probability: exponentials[classIndex]! / sum,
    logit,
  }))
    .sort((a, b) => b.logit - a.logit)
    .slice(0, top);
}
