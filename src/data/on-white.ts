import type { Image } from "./dataset.js";

type Bytes = Uint8Array | Uint8ClampedArray;

/** RGBA (not premultiplied) on white: see {@link rgbOnWhite}. @param data [height][width][4] */
export function flattenOnWhite(width: number, height: number, data: Bytes): Image {
  const pixels = new Uint8Array(width * height * 3);
  rgbOnWhite(data, pixels, 0);
  return { width, height, channels: 3, data: pixels };
}

/**
 * RGB out of RGBA (not premultiplied) on white: ⌊(c·α + 255·(255 − α)) / 255⌋, the bits that decoding a file with these pixels gives
 * (libvips' flatten).
 * @param to where in `pixels` it begins
 */
export function rgbOnWhite(data: Bytes, pixels: Uint8Array, to: number): void {
  for (let from = 0; from < data.length; from += 4, to += 3) {
    const alpha = data[from + 3]!;
    const white = 255 * (255 - alpha);
    for (let c = 0; c < 3; c++) pixels[to + c] = Math.floor((data[from + c]! * alpha + white) / 255);
  }
}
