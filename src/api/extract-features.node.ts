import { type ComputeOptions, usingBackend } from "../backend/using-backend.node.js";
import { graphInput } from "../classifier/input.js";
import type { Picture } from "../classifier/picture.js";
import { decodePicture } from "../classifier/picture.node.js";
import { checkOptions } from "../core/check-options.js";
import { evalTransform } from "../data/evaluation-transform.js";
import { createSession, type SessionTensor } from "../engine/session.js";
import { withFeatures } from "../exchange/backbone.js";
import { checkModel } from "../nn/is-model.js";
import type { Model } from "../nn/model.js";
import { toGraph } from "../nn/to-graph.js";

export interface FeatureOptions extends ComputeOptions {
  /** Height and width to which a picture is brought. Default: the model's. Need not be square. */
  readonly inputSize?: readonly [height: number, width: number];
}

/**
 * Intermediate maps of a net: `features: ["stage2", "stage4"]` gives each stage's output [batch, channels, height, width].
 * The classifier does not run.
 * @param input a picture (see {@link Picture}), prepared as the model says, or a prepared input
 *   [batch, channels, height, width] of any size.
 * @throws UserError for an unknown feature or an unreadable picture.
 */
export async function extractFeatures(
  model: Model,
  input: Picture | SessionTensor,
  features: readonly string[],
  options: FeatureOptions = {},
): Promise<Record<string, SessionTensor>> {
  checkModel(model);
  checkOptions(options, ["inputSize", "threads", "kernels", "relaxed", "backend"], "extractFeatures");
  const graph = withFeatures(toGraph(model), features, { head: false });
  const tensor = isTensor(input) ? input : await prepared(model, input, options.inputSize);
  return usingBackend(options, (backend) => {
    const session = createSession(graph, { backend, shape: tensor.shape });
    try {
      return { ...session.run(tensor) };
    } finally {
      session.dispose();
    }
  });
}

async function prepared(
  model: Model,
  picture: Picture,
  inputSize: FeatureOptions["inputSize"],
): Promise<SessionTensor> {
  const { preprocessing } = model.metadata;
  const size = inputSize ?? preprocessing.size;
  const image = await decodePicture(picture);
  const images = evalTransform(image, { ...preprocessing, size });
  const [height, width] = size;
  return graphInput({ size: 1, height, width, channels: preprocessing.channels, images }, preprocessing);
}

function isTensor(input: Picture | SessionTensor): input is SessionTensor {
  return typeof input === "object" && "shape" in input && input.data instanceof Float32Array;
}
