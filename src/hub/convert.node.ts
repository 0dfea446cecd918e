import { loadNet } from "../exchange/load-net.node.js";
import type { TimmConfig } from "../exchange/timm-config.js";
import type { Model } from "../nn/model.js";
import { hintsOf, publishedModel } from "./config-hints.js";

/**
 * A weights file, with what its repository's config says about it, as a model in the form that it has. A model file of ours
 * keeps its own metadata.
 * @param origin names the repository in messages
 * @param epsilon of every BatchNorm, where somebody says it
 * @returns the model, and remarks on what was assumed and where the config asks for what we do otherwise
 * @throws UserError when the weights are no RepVGG, are not whole, or contradict the config.
 */
export async function modelFromFile(
  path: string,
  config: TimmConfig | undefined,
  origin: string,
  epsilon?: number,
): Promise<{ model: Model; remarks: readonly string[] }> {
  const net = await loadNet(path, {
    ...(config && hintsOf(config, origin)),
    ...(epsilon !== undefined && { batchNormEpsilon: epsilon, epsilonBy: "as asked for" }),
  });
  return { model: publishedModel(net, origin), remarks: net.source.notes };
}
