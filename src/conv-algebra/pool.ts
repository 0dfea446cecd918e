import type { MapGeometry } from "./geometry.js";
import { product } from "./geometry.js";
import type { LinearMap } from "./linear-map.js";
import { convolutionMap } from "./linear-map.js";

/**
 * Average pooling as a depthwise map with weights 1/|window| (Diverse Branch Block, transform V). Only for pools that divide by the
 * whole window: no padding, or padding counted.
 */
export function averagePoolMap(
  channels: number,
  window: Pick<MapGeometry, "kernelSize" | "stride" | "pads" | "dilation">,
): LinearMap {
  const area = product(window.kernelSize);
  const weight = new Float64Array(channels * area).fill(1 / area);
  return convolutionMap(weight, undefined, {
    outChannels: channels,
    inChannels: channels,
    groups: channels,
    ...window,
  });
}
