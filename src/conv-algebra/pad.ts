import type { Pads, Sizes } from "./geometry.js";
import { describeKernel, extent, gcd, spatialRank } from "./geometry.js";
import { sumKernel } from "./kernel.js";
import type { LinearMap, Refusal } from "./linear-map.js";

/** A few float32 roundings: what is left when constants of a float32 file cancel. */
const roundingNoise = 2 ** -21;

/**
 * Why padding a map's *output* with `value` (by `pads`, in output positions) is not the map of a more padded *source*, or undefined
 * where it is. Outside its output the map must give exactly the pad value: its window has to lie wholly in the zeros around the source
 * (so W·0 = 0), and its bias has to equal the value. At position −1 the window ends at −s − p + (k−1)d, which must be
 * negative; behind the last position it begins at least p − (k−1)d behind the source's end, which must not be negative.
 * Negative pads leave out outputs, which is exact after any map.
 */
export function paddingObstacle(map: LinearMap, pads: Pads, value: ArrayLike<number> | undefined): Refusal | undefined {
  if (pads.every((p) => p <= 0)) return undefined;
  const rank = spatialRank(map);
  for (let axis = 0; axis < rank; axis++) {
    const reach = extent(map, axis) - 1;
    const before = pads[axis] > 0 && reach >= map.stride[axis] + map.pads[axis];
    const behind = pads[axis + rank] > 0 && reach > map.pads[axis + rank];
    if (before || behind) {
      const refused = `the padded border is zero there, but the ${describeKernel(map)} kernel before it would see part of its input`;
      return { kind: "input-beyond-the-edge", refused };
    }
  }
  for (let o = 0; o < map.outChannels; o++) {
    const wanted = value?.[o] ?? 0;
    if (Math.abs(map.bias[o] - wanted) > roundingNoise * (map.biasScale[o] + Math.abs(wanted))) {
      return value
        ? {
            kind: "pad-value",
            refused: `the pad value ${wanted} is not the bias ${map.bias[o]} (channel ${o}), which the border would get`,
          }
        : {
            kind: "bias-before-padding",
            refused: `a bias comes before zero padding (channel ${o}: ${map.bias[o]}): the border would get the bias instead of zero`,
          };
    }
  }
  return undefined;
}

/**
 * Pad ∘ map: the output of a map padded with `value` per channel (undefined: zeros). `pads` in output positions; each is stride source
 * positions; negative ones crop. Exact by {@link paddingObstacle}'s rule: this is how DBB pads its 1×1 branch with its bias.
 */
export function padOutput(map: LinearMap, pads: Pads, value?: ArrayLike<number>): LinearMap | Refusal {
  return paddingObstacle(map, pads, value) ?? { ...map, pads: composedPads(map, pads) };
}

/**
 * Pads of an outer window in terms of the inner map's source: p = uₒ·pᵢ + sᵢ·pₒ, where uₒ is how far apart the outer window sees
 * positions; sizes agree for every source size.
 */
export function composedPads(inner: LinearMap, pads: Pads, upsampling?: Sizes): Pads {
  const rank = spatialRank(inner);
  return inner.pads.map((own, side) => (upsampling?.[side % rank] ?? 1) * own + inner.stride[side % rank] * pads[side]);
}

/**
 * What a slice of positions takes of a map's output: `pads` (none positive) leave out positions at both ends, then one in `steps` stays.
 * Always exact for a map of a source without zeros in between.
 */
export function sliceOutput(map: LinearMap, pads: Pads, steps: Sizes): LinearMap | Refusal {
  if (map.upsampling.some((u) => u > 1) && steps.some((step) => step > 1)) {
    return { kind: "strided-and-transposed", refused: "it takes positions of a transposed convolution in steps" };
  }
  return { ...map, pads: composedPads(map, pads), stride: map.stride.map((s, axis) => s * steps[axis]) };
}

/** The same map with so many taps of zero around its kernel, in source positions, and so much more padding. Exact for every source size. */
export function withZeroFrame(map: LinearMap, frame: Pads): LinearMap {
  if (frame.every((width) => width === 0)) return map;
  const rank = spatialRank(map);
  const dilation = map.dilation.map((d, axis) => {
    const own = map.kernelSize[axis] > 1 ? d : 0;
    return gcd(own, gcd(frame[axis], frame[axis + rank])) || 1;
  });
  const framed = {
    ...map,
    dilation,
    kernelSize: dilation.map((d, axis) => (extent(map, axis) - 1 + frame[axis] + frame[axis + rank]) / d + 1),
    pads: map.pads.map((p, side) => p + frame[side]),
  };
  const { kernel, outChannels } = map;
  return { ...framed, kernel: sumKernel([{ kernel, outChannels, offset: frame.slice(0, rank), channel: 0 }]) };
}
