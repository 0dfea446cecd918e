import type { Preprocessing } from "../core/preprocessing.js";
import type { Batch } from "../data/dataset.js";

/** A batch as a graph's input [N, C, H, W]: (value / 255 − mean) / std. */
export function graphInput(
  batch: Pick<Batch, "size" | "height" | "width" | "channels" | "images">,
  { mean, std }: Pick<Preprocessing, "mean" | "std">,
): { readonly shape: readonly number[]; readonly data: Float32Array } {
  const { size, height, width, channels, images } = batch;
  const positions = height * width;
  const data = new Float32Array(size * channels * positions);
  for (let n = 0; n < size; n++) {
    for (let c = 0; c < channels; c++) {
      const scale = 1 / (255 * std[c]!);
      const shift = -mean[c]! / std[c]!;
      const to = (n * channels + c) * positions;
      let from = n * positions * channels + c;
      for (let p = 0; p < positions; p++, from += channels) data[to + p] = images[from]! * scale + shift;
    }
  }
  return { shape: [size, channels, height, width], data };
}
