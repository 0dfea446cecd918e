import type { MapGeometry } from "./geometry.js";
import { everyAxis, extent, gcd, product, weightCount } from "./geometry.js";
import { arrayKernel } from "./kernel.js";
import type { LinearMap } from "./linear-map.js";
import { weightOf } from "./linear-map.js";

/**
 * The same map with fewer groups: a grouped kernel is a block-diagonal denser one.
 * @throws RangeError when `groups` does not divide the map's.
 */
export function expandGroups(map: LinearMap, groups: number): LinearMap {
  if (map.groups % groups !== 0) throw new RangeError(`${map.groups} groups cannot be written as ${groups}`);
  return { ...map, groups };
}

/** A zero-inserted kernel: the same map with dilation 1. */
export function denseKernel(map: LinearMap): LinearMap {
  const size = map.kernelSize.map((_, axis) => extent(map, axis));
  return { ...map, kernelSize: size, dilation: everyAxis(size.length, 1) };
}

/** The same map with as many groups as its zeros allow: a block-diagonal dense kernel becomes grouped again. */
export function compactGroups(map: LinearMap): LinearMap {
  const limit = gcd(map.inChannels, map.outChannels);
  const weight = weightOf(map);
  for (let groups = limit; groups > map.groups; groups--) {
    if (limit % groups !== 0 || groups % map.groups !== 0 || !isBlockDiagonal(map, weight, groups)) continue;
    const geometry = { ...map, groups };
    return { ...geometry, kernel: arrayKernel(diagonalBlocks(map, weight, groups), geometry) };
  }
  return map;
}

/** First and last + 1 weight of output channel o that belongs to its block, when there are `groups` groups. */
function block(g: MapGeometry, groups: number, o: number): [from: number, to: number] {
  const taps = product(g.kernelSize);
  const channels = g.inChannels / g.groups;
  const small = g.inChannels / groups;
  const firstInput =
    Math.floor(o / (g.outChannels / groups)) * small - Math.floor(o / (g.outChannels / g.groups)) * channels;
  const from = (o * channels + firstInput) * taps;
  return [from, from + small * taps];
}

function isBlockDiagonal(g: MapGeometry, weight: Float64Array, groups: number): boolean {
  const row = weight.length / g.outChannels;
  for (let o = 0; o < g.outChannels; o++) {
    const [from, to] = block(g, groups, o);
    for (let w = o * row; w < (o + 1) * row; w++) {
      if (weight[w] !== 0 && (w < from || w >= to)) return false;
    }
  }
  return true;
}

function diagonalBlocks(g: MapGeometry, weight: Float64Array, groups: number): Float64Array {
  const result = new Float64Array(weightCount({ ...g, groups }));
  for (let o = 0; o < g.outChannels; o++) {
    const [from, to] = block(g, groups, o);
    result.set(weight.subarray(from, to), o * (to - from));
  }
  return result;
}
