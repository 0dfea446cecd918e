import type { Architecture } from "../nn/architecture.js";
import { architecture } from "../nn/build-architecture.js";
import { type VariantName, variantNames } from "../nn/zoo.js";

/**
 * The net of the zoo with the same depths, widths, groups, squeeze-and-excitation and branches; undefined where there is none.
 * Strides are not compared: weights do not show them. Blocks may be folded already.
 */
export function knownVariant(net: Architecture): VariantName | undefined {
  const { classes, inputChannels } = net;
  if (Object.values(net.layers ?? {}).some(({ folded, ...others }) => Object.keys(others).length > 0)) return undefined;
  const wanted = structure(net);
  return variantNames.find((name) => {
    const candidate = architecture(name, { classes, inputChannels });
    return candidate.depths.length === net.depths.length && structure(candidate) === wanted;
  });
}

function structure({ family, depths, widths, groups, block, squeezeExcite }: Architecture): string {
  const layers = Object.entries(groups).filter(([, count]) => count !== 1);
  return JSON.stringify([family, depths, widths, layers, block.kind, block.pointwise, block.identity, squeezeExcite]);
}
