import type { Preprocessing } from "../core/preprocessing.js";
import type { Image } from "./dataset.js";
import { centreCrop, centreRegion, toChannels } from "./image.js";
import { resize } from "./resize.js";

/** What of a {@link Preprocessing} concerns pixels in 8 bits. */
export type Framing = Pick<Preprocessing, "size" | "channels" | "cropRatio">;

/**
 * The evaluation transform of a model: channels converted, shorter side resized to `size / cropRatio`, centre cropped
 * (torchvision's Resize and CenterCrop; for a net that is not square, the side that covers it).
 * @returns a picture of exactly `size` and `channels`
 */
export function frameForEvaluation(image: Image, framing: Framing): Image {
  const [height, width] = framing.size;
  // The tolerance keeps 14 of 25 (a ratio of 14 / 25) at 25, where the division gives a hair less.
  const coverHeight = Math.floor(height / framing.cropRatio + 1e-9);
  const coverWidth = Math.floor(width / framing.cropRatio + 1e-9);
  const source = toChannels(image, framing.channels);
  const byWidth = source.width * coverHeight <= source.height * coverWidth;
  const newWidth = byWidth
    ? coverWidth
    : Math.max(coverWidth, Math.floor((coverHeight * source.width) / source.height));
  const newHeight = byWidth
    ? Math.max(coverHeight, Math.floor((coverWidth * source.height) / source.width))
    : coverHeight;
  if (newWidth === source.width && newHeight === source.height) return centreCrop(source, height, width);
  return resize(source, newHeight, newWidth, { window: centreRegion(newHeight, newWidth, height, width) });
}

/**
 * {@link frameForEvaluation} as bare bytes.
 * @returns [height][width][channels] of the net's input, 8 bits; the net's own step is (value / 255 − mean) / std
 */
export function evalTransform(image: Image, preprocessing: Framing): Uint8Array {
  return frameForEvaluation(image, preprocessing).data;
}
