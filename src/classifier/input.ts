import type { Preprocessing } from "../core/preprocessing.js";
import type { Batch } from "../data/dataset.js";

/** Pictures in 8 bits, framed: [pictures][height][width][channels]. */
export type FramedPictures = Pick<Batch, "size" | "height" | "width" | "channels" | "images">;

/**
 * A batch as a graph's input [N, C, H, W], or [N, H, W, C] where the layout is that: (value / 255 − mean) / std.
 * @param into memory for it, at least as large; a new array by default
 */
export function graphInput(
  batch: FramedPictures,
  { mean, std }: Pick<Preprocessing, "mean" | "std">,
  layout: "nchw" | "nhwc" = "nchw",
  into?: Float32Array,
): { readonly shape: readonly number[]; readonly data: Float32Array } {
  const { size, height, width, channels, images } = batch;
  const positions = height * width;
  const picture = channels * positions;
  const data = into?.subarray(0, size * picture) ?? new Float32Array(size * picture);
  const values = Array.from({ length: channels }, (_, c) => valuesOfBytes(mean[c]!, std[c]!));
  const [channel, step] = layout === "nchw" ? [positions, 1] : [1, channels];
  for (let from = 0; from < size * picture; from += picture) {
    if (channels === 3) normalizeRgb(images, from, positions, values, data, channel, step);
    else normalizeGrey(images, from, positions, values[0]!, data);
  }
  return { shape: layout === "nchw" ? [size, channels, height, width] : [size, height, width, channels], data };
}

/** [256]: each byte, normalized. */
function valuesOfBytes(mean: number, std: number): Float32Array {
  const scale = 1 / (255 * std);
  const shift = -mean / std;
  return Float32Array.from({ length: 256 }, (_, byte) => byte * scale + shift);
}

function normalizeGrey(
  images: Uint8Array,
  from: number,
  positions: number,
  values: Float32Array,
  data: Float32Array,
): void {
  for (let i = from; i < from + positions; i++) data[i] = values[images[i]!]!;
}

function normalizeRgb(
  images: Uint8Array,
  from: number,
  positions: number,
  [red, green, blue]: readonly Float32Array[],
  data: Float32Array,
  channel: number,
  step: number,
): void {
  const end = from + 3 * positions;
  for (let i = from, to = from; i < end; i += 3, to += step) {
    data[to] = red![images[i]!]!;
    data[to + channel] = green![images[i + 1]!]!;
    data[to + 2 * channel] = blue![images[i + 2]!]!;
  }
}
