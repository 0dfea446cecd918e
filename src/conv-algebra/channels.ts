import { IdentityKernel, rowsKernel, sumKernel } from "./kernel.js";
import { identityMap, type LinearMap } from "./linear-map.js";
import { partsIn } from "./sum.js";

/**
 * The output channels [first, last) of a map: the rows of its kernel. Of a grouped map they read only the channels of their
 * groups, and have these groups where the range is made of whole ones.
 */
export function sliceChannels(map: LinearMap, first: number, last: number): LinearMap {
  if (first === 0 && last === map.outChannels) return map;
  const perGroup = map.outChannels / map.groups;
  const inputs = map.inChannels / map.groups;
  const [firstGroup, lastGroup] = [Math.floor(first / perGroup), Math.ceil(last / perGroup)];
  const whole = first % perGroup === 0 && last % perGroup === 0;
  const skipped = firstGroup * inputs;
  const [outChannels, inChannels] = [last - first, (lastGroup - firstGroup) * inputs];
  const identity = map.kernel instanceof IdentityKernel;
  return {
    ...map,
    outChannels,
    inChannels,
    firstChannel: map.firstChannel + skipped,
    groups: whole ? lastGroup - firstGroup : 1,
    kernel: identity
      ? identityMap(outChannels).kernel
      : rowsKernel(map.kernel, map.outChannels, [first, last], skipped),
    bias: map.bias.slice(first, last),
    biasScale: map.biasScale.slice(first, last),
  };
}

/** The same map with zeros for the channels of its source that it does not read: what one convolution of the source can be. */
export function ofWholeSource(map: LinearMap): LinearMap {
  if (map.inChannels === map.sourceChannels) return map;
  const whole = { ...map, inChannels: map.sourceChannels, firstChannel: 0, groups: 1 };
  return { ...whole, kernel: sumKernel(partsIn(whole, [map])) };
}
