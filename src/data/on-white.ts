import type { Image } from "./dataset.js";

/**
 * RGB out of RGBA (not premultiplied) on white: ⌊(c·α + 255·(255 − α)) / 255⌋, the bits that decoding a file with these pixels gives
 * (libvips' flatten).
 * @param data [height][width][4]
 */
export function flattenOnWhite(width: number, height: number, data: Uint8Array): Image {
  const pixels = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < pixels.length; from += 4, to += 3) {
    const alpha = data[from + 3]!;
    const white = 255 * (255 - alpha);
    for (let c = 0; c < 3; c++) pixels[to + c] = Math.floor((data[from + c]! * alpha + white) / 255);
  }
  return { width, height, channels: 3, data: pixels };
}
