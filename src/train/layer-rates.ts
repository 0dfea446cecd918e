import type { Architecture } from "../nn/architecture.js";
import { blockLayouts } from "../nn/layout.js";
import type { TrainConfig } from "./config.js";

/**
 * The part of the learning rate that each parameter moves by: 1 in the head (and auxiliary heads); in block i of n, counted from 0,
 * backboneRate · layerDecay^(n − 1 − i), so that the first layers, which see what all pictures have, move least (discriminative rates:
 * Howard and Ruder 2018, section 3.2; by layer as Clark et al. 2020, appendix A).
 * @returns of a parameter's official name
 */
export function layerRates(
  architecture: Architecture,
  { backboneRate, layerDecay }: Pick<TrainConfig, "backboneRate" | "layerDecay">,
): (parameter: string) => number {
  const paths = blockLayouts(architecture).map(({ path }) => `${path}.`);
  return (parameter) => {
    const block = paths.findIndex((path) => parameter.startsWith(path));
    return block < 0 ? 1 : backboneRate * layerDecay ** (paths.length - 1 - block);
  };
}
