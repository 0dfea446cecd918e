import { picturesOf } from "../classifier/net-classifier.js";
import { pictureInput } from "../classifier/prediction.js";
import type { Net } from "../exchange/net.js";
import type { Model } from "../nn/model.js";
import { type CompareOptions, compareNets } from "../verify/compare.js";
import type { Verification, VerifyInput } from "../verify/verify-models.js";
import { type ComputeOptions, usingBackend } from "./compute.js";
import { decodePicture, type Picture } from "./picture.js";

export interface VerifyOptions extends CompareOptions, ComputeOptions {
  /** Real pictures to compare on. Default: random inputs (standard normal). */
  readonly pictures?: readonly Picture[];
  /** Gives up before the next picture. */
  readonly signal?: AbortSignal;
}

/**
 * Compares the outputs of two nets on the same pictures, and the values inside by name: how far apart they are, on how
 * many pictures they name another class, and where they part.
 * @throws UserError when the nets do not take the same input or do not have the same classes.
 */
export function verify(
  reference: Model | Net,
  candidate: Model | Net,
  options: VerifyOptions = {},
): Promise<Verification> {
  const { pictures, signal } = options;
  const inputs = pictures && ((net: Net) => inputsOf(net, pictures, signal));
  return usingBackend(options, (backend) => compareNets(backend, reference, candidate, options, inputs));
}

async function* inputsOf(
  net: Net,
  pictures: readonly Picture[],
  signal: AbortSignal | undefined,
): AsyncGenerator<VerifyInput> {
  const { preprocessing, input } = picturesOf(net);
  for (const picture of pictures) {
    signal?.throwIfAborted();
    yield pictureInput(await decodePicture(picture), preprocessing, input.layout);
  }
}
