import type { Preprocessing } from "../core/preprocessing.js";
import type { Batch } from "../data/dataset.js";

/** Pictures in 8 bits, framed: [pictures][height][width][channels]. */
export type FramedPictures = Pick<Batch, "size" | "height" | "width" | "channels" | "images">;

/** A batch as a graph's input [N, C, H, W], or [N, H, W, C] where the layout is that: (value / 255 − mean) / std. */
export function graphInput(
  batch: FramedPictures,
  { mean, std }: Pick<Preprocessing, "mean" | "std">,
  layout: "nchw" | "nhwc" = "nchw",
): { readonly shape: readonly number[]; readonly data: Float32Array } {
  const { size, height, width, channels, images } = batch;
  const positions = height * width;
  const data = new Float32Array(size * channels * positions);
  const [image, channel, step] =
    layout === "nchw" ? [channels * positions, positions, 1] : [channels * positions, 1, channels];
  for (let n = 0; n < size; n++) {
    for (let c = 0; c < channels; c++) {
      const scale = 1 / (255 * std[c]!);
      const shift = -mean[c]! / std[c]!;
      let to = n * image + c * channel;
      let from = n * positions * channels + c;
      for (let p = 0; p < positions; p++, from += channels, to += step) data[to] = images[from]! * scale + shift;
    }
  }
  return { shape: layout === "nchw" ? [size, channels, height, width] : [size, height, width, channels], data };
}
