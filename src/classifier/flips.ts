import type { FramedPictures } from "./input.js";
import { softmax } from "./prediction.js";

/** Each picture as a mirror shows it: left is right. */
export function mirrored(pictures: FramedPictures): FramedPictures {
  const { height, width, channels, images } = pictures;
  const row = width * channels;
  const flipped = new Uint8Array(images.length);
  for (let from = 0; from < pictures.size * height * row; from += row) {
    for (let x = 0; x < width; x++) {
      const own = from + x * channels;
      flipped.set(images.subarray(own, own + channels), from + row - (x + 1) * channels);
    }
  }
  return { ...pictures, images: flipped };
}

/**
 * What a net says of pictures and of their mirror images together, as logits: the logarithm of the mean of both probabilities. A mean of
 * logits would let one answer outvote the other by its scale alone, and nets that end in a Softmax give zeros, whose logarithm has no mean.
 * @param first [pictures][classes], logits
 * @param second of the mirror images
 */
export function meanAnswer(first: Float32Array, second: Float32Array, classes: number): Float32Array {
  const mean = new Float32Array(first.length);
  for (let from = 0; from < first.length; from += classes) {
    const [a, b] = [first, second].map((logits) => softmax(logits.subarray(from, from + classes)));
    // A probability that rounding made 0 counts as the smallest that float32 has.
    for (let k = 0; k < classes; k++) mean[from + k] = Math.log(Math.max((a![k]! + b![k]!) / 2, 2 ** -126));
  }
  return mean;
}
