import type { Pair } from "./geometry.js";
import { stackedKernel } from "./kernel.js";
import type { LinearMap, Refusal } from "./linear-map.js";
import { commonGeometry, partsIn } from "./sum.js";

/**
 * Channel concatenation of maps of one source: their kernels, in one geometry, after one another (Diverse Branch Block,
 * transform IV). Each part's rows run through all groups of the source, so the joined kernel is dense.
 */
export function concat(maps: readonly LinearMap[], sourceSize?: Pair): LinearMap | Refusal {
  const outChannels = maps.reduce((total, map) => total + map.outChannels, 0);
  const geometry = commonGeometry(maps, sourceSize, outChannels);
  if ("refused" in geometry) return geometry;
  const join = (of: (map: LinearMap) => Float64Array): Float64Array =>
    Float64Array.from(maps.flatMap((map) => [...of(map)]));
  return {
    ...geometry,
    groups: 1,
    kernel: stackedKernel(partsIn(geometry, maps)),
    bias: join((map) => map.bias),
    biasScale: join((map) => map.biasScale),
  };
}
