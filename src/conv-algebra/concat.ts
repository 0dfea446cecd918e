import type { MapGeometry, Sizes } from "./geometry.js";
import { gcd } from "./geometry.js";
import { stackedKernel } from "./kernel.js";
import type { LinearMap, Refusal } from "./linear-map.js";
import { commonGeometry, partsIn } from "./sum.js";

/**
 * Channel concatenation of maps of one source: their kernels, in one geometry, after one another (Diverse Branch Block,
 * transform IV). Where each part reads the channels behind those of the part before it, the kernel is as grouped as the parts
 * are: a split, a convolution of each part and a concatenation are a grouped convolution. Else it is dense.
 */
export function concat(maps: readonly LinearMap[], sourceSize?: Sizes): LinearMap | Refusal {
  const outChannels = maps.reduce((total, map) => total + map.outChannels, 0);
  const common = commonGeometry(maps, sourceSize, outChannels);
  if ("refused" in common) return common;
  const geometry: MapGeometry = { ...common, groups: sideBySideGroups(maps, common) };
  const join = (of: (map: LinearMap) => Float64Array): Float64Array =>
    Float64Array.from(maps.flatMap((map) => [...of(map)]));
  return {
    ...geometry,
    kernel: stackedKernel(partsIn(geometry, maps)),
    bias: join((map) => map.bias),
    biasScale: join((map) => map.biasScale),
  };
}

/** The most groups such that each part is made of whole ones; 1 where parts do not read neighbouring channels in order. */
function sideBySideGroups(maps: readonly LinearMap[], { inChannels, outChannels, firstChannel }: MapGeometry): number {
  let next = firstChannel;
  for (const map of maps) {
    if (map.firstChannel !== next) return 1;
    next += map.inChannels;
  }
  if (next !== firstChannel + inChannels) return 1;
  for (let groups = gcd(inChannels, outChannels); groups > 1; groups--) {
    const [inputs, outputs] = [inChannels / groups, outChannels / groups];
    const whole = (map: LinearMap): boolean => {
      const own = map.inChannels / inputs;
      return Number.isInteger(own) && own * outputs === map.outChannels && map.groups % own === 0;
    };
    if (Number.isInteger(inputs) && Number.isInteger(outputs) && maps.every(whole)) return groups;
  }
  return 1;
}
