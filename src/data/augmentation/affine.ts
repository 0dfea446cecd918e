import type { Image } from "../dataset.js";
import { blankLike } from "../image.js";

/** Maps an output pixel to the input: x' = a·x + b·y + c, y' = d·x + e·y + f. */
export type AffineMatrix = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

/**
 * Nearest-neighbour affine transform about pixel centres in 16.16 fixed point, as PIL's `Image.transform(AFFINE, NEAREST)`;
 * pixels from beyond the picture are black.
 */
export function affine(image: Image, matrix: AffineMatrix): Image {
  const { width, height, channels, data } = image;
  const [a, b, c, d, e, f] = matrix;
  const fixed = (value: number): number => Math.floor(value * 65536 + 0.5);
  const [stepX, stepY] = [fixed(a), fixed(d)];
  let rowX = fixed(c + a * 0.5 + b * 0.5);
  let rowY = fixed(f + d * 0.5 + e * 0.5);
  const result = blankLike(image);
  for (let y = 0, to = 0; y < height; y++) {
    let atX = rowX;
    let atY = rowY;
    for (let x = 0; x < width; x++, to += channels) {
      const fromX = atX >> 16;
      const fromY = atY >> 16;
      if (fromX >= 0 && fromX < width && fromY >= 0 && fromY < height) {
        const from = (fromY * width + fromX) * channels;
        for (let k = 0; k < channels; k++) result.data[to + k] = data[from + k]!;
      }
      atX += stepX;
      atY += stepY;
    }
    rowX += fixed(b);
    rowY += fixed(e);
  }
  return result;
}

/** Rotation counter-clockwise by `degrees` about the centre, as PIL's `Image.rotate` (cosines rounded to 15 decimals). */
export function rotation(image: Image, degrees: number): AffineMatrix {
  const angle = -(degrees * Math.PI) / 180;
  const round = (value: number): number => Math.round(value * 1e15) / 1e15;
  const [cos, sin] = [round(Math.cos(angle)), round(Math.sin(angle))];
  const [x, y] = [image.width / 2, image.height / 2];
  return [cos, sin, x - cos * x - sin * y, -sin, cos, y + sin * x - cos * y];
}
