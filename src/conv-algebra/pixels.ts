import type { Sizes } from "./geometry.js";
import { everyAxis, extent, product, weightCount } from "./geometry.js";
import type { Numbers } from "./kernel.js";
import type { LinearMap, Refusal } from "./linear-map.js";
import { convolutionMap, weightOf } from "./linear-map.js";

/** Weights of a matrix of pixels up to which one is made: larger ones are never worth it, and would fill memory. */
const mostWeights = 2 ** 24;

/** A map of an image of known size as a map of all its numbers, and the image that it gives. */
export interface PixelMap {
  readonly map: LinearMap;
  /** [channels, …sizes] */
  readonly image: Sizes;
}

/**
 * A convolution of an image [C, …sizes] as the pointwise one of its C·Π(sizes) numbers, in row-major order:
 *
 *     y[o, p'] = b[o] + Σ_{i, p} M[(o, p'), (i, p)] · x[i, p],   M[(o, p'), (i, p'·stride − pads + t·dilation)] = W[o, i, t]
 *
 * RepMLP (arXiv:2105.01883, §3.3; arXiv:2112.11081) makes convolutions part of a fully connected layer so. Groups stay groups, since a group's
 * channels are neighbours. Exact: what the padding sees is zero in both.
 */
export function pixelMap(map: LinearMap, image: Sizes): PixelMap | Refusal {
  const [channels, ...sizes] = image;
  const rank = sizes.length;
  if (rank !== map.kernelSize.length || channels !== map.sourceChannels) {
    return {
      kind: "axes",
      refused: `a window of ${map.kernelSize.length} axes over ${map.sourceChannels} channels does not fit [${image.join(", ")}]`,
    };
  }
  if (map.upsampling.some((u) => u > 1) || map.inChannels !== channels) {
    return {
      kind: "pixels",
      refused: "a transposed convolution, or one of a part of the channels, is not made a matrix of pixels",
    };
  }
  const positions = sizes.map((size, axis) => {
    const room = size + map.pads[axis] + map.pads[axis + rank] - extent(map, axis);
    return Math.floor(room / map.stride[axis]) + 1;
  });
  if (positions.some((count) => count < 1)) return { kind: "sizes", refused: "its window is larger than the image" };
  const [from, to] = [product(sizes), product(positions)];
  const geometry = {
    outChannels: map.outChannels * to,
    inChannels: channels * from,
    groups: map.groups,
    kernelSize: everyAxis(2, 1),
  };
  const count = (geometry.outChannels * geometry.inChannels) / map.groups;
  if (count > mostWeights)
    return { kind: "pixels", refused: `its matrix of pixels would have ${count.toLocaleString("en")} weights` };
  const repeated = (values: Float64Array): Float64Array =>
    Float64Array.from({ length: geometry.outChannels }, (_, row) => values[Math.floor(row / to)]);
  const made = convolutionMap(new PixelWeights(map, sizes, positions, count), repeated(map.bias), geometry);
  return { map: { ...made, biasScale: repeated(map.biasScale) }, image: [map.outChannels, ...positions] };
}

/** The matrix's numbers, computed when the first are asked for. */
class PixelWeights implements Numbers {
  #numbers: Float64Array | undefined;
  constructor(
    readonly map: LinearMap,
    readonly sizes: Sizes,
    readonly positions: Sizes,
    readonly length: number,
  ) {}

  subarray(from: number, to: number): Float64Array {
    this.#numbers ??= pixelWeights(this.map, this.sizes, this.positions);
    return this.#numbers.subarray(from, to);
  }
}

function pixelWeights(map: LinearMap, sizes: Sizes, positions: Sizes): Float64Array {
  const { outChannels, kernelSize, stride, pads, dilation } = map;
  const weight = weightOf(map);
  const [taps, from, to] = [product(kernelSize), product(sizes), product(positions)];
  const channels = weightCount(map) / outChannels / taps;
  const matrix = new Float64Array(outChannels * to * channels * from);
  for (let p = 0; p < to; p++) {
    for (let t = 0; t < taps; t++) {
      const at = pixelAt(p, t);
      if (at < 0) continue;
      for (let o = 0; o < outChannels; o++) {
        for (let i = 0; i < channels; i++) {
          matrix[((o * to + p) * channels + i) * from + at] = weight[(o * channels + i) * taps + t];
        }
      }
    }
  }
  return matrix;

  /** The source's pixel that a tap sees from an output's; −1 in the padding. */
  function pixelAt(position: number, tap: number): number {
    let [p, t, at, step] = [position, tap, 0, 1];
    for (let axis = sizes.length - 1; axis >= 0; axis--) {
      const place = (p % positions[axis]) * stride[axis] - pads[axis] + (t % kernelSize[axis]) * dilation[axis];
      if (place < 0 || place >= sizes[axis]) return -1;
      at += place * step;
      step *= sizes[axis];
      p = Math.floor(p / positions[axis]);
      t = Math.floor(t / kernelSize[axis]);
    }
    return at;
  }
}
