import type { Pads } from "./geometry.js";
import { describeKernel, extent } from "./geometry.js";
import type { LinearMap, Refusal } from "./linear-map.js";

/** A few float32 roundings: what is left when constants of a float32 file cancel. */
const roundingNoise = 2 ** -21;

/**
 * Why padding a map's *output* with `value` (by `pads`, in output positions) is not the map of a more padded *source*, or undefined
 * where it is. Outside its output the map must give exactly the pad value: its window has to lie wholly in the zeros around the source
 * (so W·0 = 0), and its bias has to equal the value. At position −1 the window ends at −s − p + (k−1)d, which must be
 * negative; behind the last position it begins at least p − (k−1)d behind the source's end, which must not be negative.
 */
export function paddingObstacle(map: LinearMap, pads: Pads, value: ArrayLike<number> | undefined): string | undefined {
  if (pads.every((p) => p === 0)) return undefined;
  if (pads.some((p) => p < 0)) return "negative padding (cropping) is not a convolution's";
  for (const axis of [0, 1] as const) {
    const reach = extent(map, axis) - 1;
    const before = pads[axis] > 0 && reach >= map.stride[axis] + map.pads[axis];
    const behind = pads[axis + 2] > 0 && reach > map.pads[axis + 2];
    if (before || behind) {
      return `the padded border is zero there, but the ${describeKernel(map)} kernel before it would see part of its input`;
    }
  }
  for (let o = 0; o < map.outChannels; o++) {
    const wanted = value?.[o] ?? 0;
    if (Math.abs(map.bias[o] - wanted) > roundingNoise * (map.biasScale[o] + Math.abs(wanted))) {
      return value
        ? `the pad value ${wanted} is not the bias ${map.bias[o]} (channel ${o}), which the border would get`
        : `a bias comes before zero padding (channel ${o}: ${map.bias[o]}): the border would get the bias instead of zero`;
    }
  }
  return undefined;
}

/**
 * Pad ∘ map: the output of a map padded with `value` per channel (undefined: zeros). `pads` in output positions; each is stride source
 * positions. Exact by {@link paddingObstacle}'s rule: this is how DBB pads its 1×1 branch with its bias.
 */
export function padOutput(map: LinearMap, pads: Pads, value?: ArrayLike<number>): LinearMap | Refusal {
  const refused = paddingObstacle(map, pads, value);
  if (refused) return { refused };
  return { ...map, pads: composedPads(map, pads) };
}

/** Pads of an outer window in terms of the inner map's source: p = pᵢ + sᵢ·pₒ; sizes agree for every source size. */
export function composedPads(inner: LinearMap, pads: Pads): Pads {
  const [sh, sw] = inner.stride;
  const [top, left, bottom, right] = inner.pads;
  return [top + sh * pads[0], left + sw * pads[1], bottom + sh * pads[2], right + sw * pads[3]];
}
