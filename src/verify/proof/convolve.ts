import { ShapeError } from "../../core/errors.js";
import type { Measured } from "./measured.js";
import { same3x3 } from "./same-3x3.js";

/** A 2-D convolution's geometry; pads (top, left, bottom, right). */
export interface Convolution {
  readonly outChannels: number;
  readonly groups: number;
  readonly kernelSize: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pads: readonly number[];
}

/** Patches are kept for so many numbers at a time (32 MiB). */
const mostNumbers = 2 ** 22;

/**
 * A convolution in float64: each row of the kernel against the patch of each position, four positions at a time, so that every weight is
 * read once for four products. For few positions; the evaluator is its oracle. Magnitudes are those of a position at which no tap is cut
 * off, and every channel of the source is as large everywhere as at its largest: an upper bound that one pass over the weights gives.
 * @param weight [O, I/groups, kh, kw]
 * @throws ShapeError where no window fits.
 */
export function convolve(
  x: Measured,
  weight: Float32Array | Float64Array,
  bias: Float64Array | undefined,
  geometry: Convolution,
): Measured {
  const { outChannels, groups, kernelSize, strides, dilations, pads } = geometry;
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  const out = [0, 1].map((axis) => {
    const room = x.shape[axis + 2]! + pads[axis]! + pads[axis + 2]! - ((kernelSize[axis]! - 1) * dilations[axis]! + 1);
    return Math.floor(room / strides[axis]!) + 1;
  }) as [number, number];
  if (out.some((size) => size < 1)) {
    throw new ShapeError({ expected: "an input of at least the kernel's size", received: `[${x.shape.join(", ")}]` });
  }
  const area = out[0] * out[1];
  const taps = kernelSize[0]! * kernelSize[1]!;
  const [groupIn, groupOut] = [channels / groups, outChannels / groups];
  const row = groupIn * taps;
  const value = new Float64Array(batch * outChannels * area);
  const isSame3x3 =
    `${[height, width, ...kernelSize]}` === "3,3,3,3" && `${[...strides, ...dilations, ...pads]}` === "1,1,1,1,1,1,1,1";
  // Patches of some positions of one group of one image: [positions, rounded up to four][groupIn][taps].
  const block = Math.min(4 * Math.ceil(area / 4), Math.max(4, 4 * Math.floor(mostNumbers / (4 * row))));
  const patches = new Float64Array(isSame3x3 ? 0 : block * row);
  for (let n = 0; n < batch; n++) {
    for (let group = 0; group < groups; group++) {
      const first = (n * channels + group * groupIn) * height * width;
      if (isSame3x3) {
        for (let o = group * groupOut; o < (group + 1) * groupOut; o++) {
          const to = (n * outChannels + o) * area;
          same3x3(value, to, weight, o * row, groupIn, x.value, first);
          if (bias) for (let p = to; p < to + area; p++) value[p]! += bias[o]!;
        }
        continue;
      }
      for (let from = 0; from < area; from += block) {
        const until = Math.min(area, from + block);
        gather(x.value, first, from, until);
        for (let o = group * groupOut; o < (group + 1) * groupOut; o++) {
          const to = (n * outChannels + o) * area;
          for (let p = from; p < until; p += 4) {
            dot4(value, to + p, Math.min(4, until - p), weight, o * row, row, patches, (p - from) * row);
          }
          if (bias) for (let p = to + from; p < to + until; p++) value[p]! += bias[o]!;
        }
      }
    }
  }
  return { shape: [batch, outChannels, ...out], value, magnitude: magnitudes() };

  function magnitudes(): Float64Array {
    const largest = new Float64Array(channels);
    for (let i = 0; i < x.magnitude.length; i++) {
      const channel = Math.floor(i / (height * width)) % channels;
      if (!(x.magnitude[i]! <= largest[channel]!)) largest[channel] = x.magnitude[i]!;
    }
    const result = new Float64Array(value.length);
    for (let o = 0; o < outChannels; o++) {
      const first = Math.floor(o / groupOut) * groupIn;
      let sum = bias ? Math.abs(bias[o]!) : 0;
      for (let i = 0; i < groupIn; i++) sum += largest[first + i]! * magnitudeOf(weight, o * row + i * taps, taps);
      for (let n = 0; n < batch; n++) result.fill(sum, (n * outChannels + o) * area, (n * outChannels + o + 1) * area);
    }
    return result;
  }

  function gather(source: Float64Array, first: number, from: number, until: number): void {
    for (let p = from, at = 0; p < until; p++) {
      const top = Math.floor(p / out[1]) * strides[0]! - pads[0]!;
      const left = (p % out[1]) * strides[1]! - pads[1]!;
      for (let i = 0; i < groupIn; i++) {
        for (let ky = 0; ky < kernelSize[0]!; ky++) {
          const y = top + ky * dilations[0]!;
          const line = first + (i * height + y) * width;
          for (let kx = 0; kx < kernelSize[1]!; kx++, at++) {
            const column = left + kx * dilations[1]!;
            const inside = y >= 0 && y < height && column >= 0 && column < width;
            patches[at] = inside ? source[line + column]! : 0;
          }
        }
      }
    }
  }
}

function magnitudeOf(weight: Float32Array | Float64Array, first: number, count: number): number {
  let sum = 0;
  for (let i = first; i < first + count; i++) sum += Math.abs(weight[i]!);
  return sum;
}

/** value[to + j] = Σ w·patch_j for j < count ≤ 4. Small on purpose: the hot loop is compiled by itself. */
function dot4(
  value: Float64Array,
  to: number,
  count: number,
  weight: Float32Array | Float64Array,
  firstWeight: number,
  length: number,
  patches: Float64Array,
  firstPatch: number,
): void {
  let [v0, v1, v2, v3] = [0, 0, 0, 0];
  const [p1, p2, p3] = [firstPatch + length, firstPatch + 2 * length, firstPatch + 3 * length];
  for (let i = 0; i < length; i++) {
    const w = weight[firstWeight + i]!;
    v0 += w * patches[firstPatch + i]!;
    v1 += w * patches[p1 + i]!;
    v2 += w * patches[p2 + i]!;
    v3 += w * patches[p3 + i]!;
  }
  value[to] = v0;
  if (count > 1) value[to + 1] = v1;
  if (count > 2) value[to + 2] = v2;
  if (count > 3) value[to + 3] = v3;
}
