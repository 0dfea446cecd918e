import { type ComputeOptions, usingBackend } from "../backend/using-backend.node.js";
import type { Image } from "../data/dataset.js";
import { decodeImage } from "../data/decode.node.js";
import { createSession, type Session } from "../engine/session.js";
import type { Model } from "../nn/model.js";
import { toGraph } from "../nn/to-graph.js";
import { likeliest, type Prediction, pictureInput } from "./prediction.js";

export type { Prediction };

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
  const { preprocessing, classNames } = model.metadata;
  const { data } = session.run(pictureInput(picture, preprocessing))["logits"]!;
  return likeliest(data, classNames, top);
}
