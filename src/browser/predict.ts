import { likeliest, type Prediction, pictureInput } from "../classifier/prediction.js";
import { createSession } from "../engine/session.js";
import type { Model } from "../nn/model.js";
import { toGraph } from "../nn/to-graph.js";
import { type ComputeOptions, usingBackend } from "./compute.js";
import { decodePicture, type Picture } from "./picture.js";

export interface PredictOptions extends ComputeOptions {
  /** Classes to return, the likeliest first. Default 5. */
  readonly top?: number;
  /** Gives up; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/**
 * What a picture shows, by a model in either form. For one picture after another an {@link Engine}'s net is quicker, which stays ready.
 * @throws UserError when the picture cannot be read; the signal's reason.
 */
export async function predict(model: Model, picture: Picture, options: PredictOptions = {}): Promise<Prediction[]> {
  const { signal, top = 5 } = options;
  const { preprocessing, classNames } = model.metadata;
  const input = pictureInput(await decodePicture(picture), preprocessing);
  signal?.throwIfAborted();
  return usingBackend(options, (backend) => {
    const session = createSession(toGraph(model), { backend, shape: input.shape });
    try {
      return likeliest(session.run(input)["logits"]!.data, classNames, top);
    } finally {
      session.dispose();
    }
  });
}
