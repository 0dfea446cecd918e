import { ofWholeSource } from "./channels.js";
import type { LinearMap } from "./linear-map.js";
import { withZeroFrame } from "./pad.js";
import { transposedForm } from "./transposed.js";

/** Whether a map is a transposed convolution. */
export const isTransposed = ({ upsampling }: LinearMap): boolean => upsampling.some((u) => u > 1);

/**
 * The map as one convolution (or transposed one) of its source computes it: reading all of the source's channels, its kernel in a frame of
 * zeros where the map leaves positions out, which no convolution's padding does.
 */
export function asOneConvolution(map: LinearMap): LinearMap {
  const whole = ofWholeSource(map);
  if (isTransposed(whole)) return transposedForm(whole);
  return withZeroFrame(
    whole,
    whole.pads.map((p) => Math.max(0, -p)),
  );
}

/** Whether a map scales and shifts each channel of its source, and nothing else. */
export function isScaleAndShift(map: LinearMap): boolean {
  const { outChannels, inChannels, groups, sourceChannels, kernelSize, stride, upsampling, pads } = map;
  const depthwise = groups === outChannels && inChannels === outChannels && sourceChannels === outChannels;
  return (
    depthwise && [...kernelSize, ...stride, ...upsampling].every((size) => size === 1) && pads.every((p) => p === 0)
  );
}
