import type { Pads, Pair } from "./geometry.js";
import type { LinearMap } from "./linear-map.js";
import { convolutionMap } from "./linear-map.js";

/**
 * Average pooling as a depthwise map with weights 1/(kh·kw) (Diverse Branch Block, transform V). Only for pools that divide by the
 * whole window: no padding, or padding counted.
 */
export function averagePoolMap(
  channels: number,
  window: { kernelSize: Pair; stride: Pair; pads: Pads; dilation: Pair },
): LinearMap {
  const area = window.kernelSize[0] * window.kernelSize[1];
  const weight = new Float64Array(channels * area).fill(1 / area);
  return convolutionMap(weight, undefined, {
    outChannels: channels,
    inChannels: channels,
    groups: channels,
    ...window,
  });
}
