import { heatColor } from "./color-map.js";

/** Rows of pixels, channels last, 8 bits. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  /** [height][width][channels] */
  readonly data: Uint8Array;
}

/** How much of the overlay is heat, where there is none and where there is most: what matters stands out, the rest stays visible. */
const [leastOpacity, mostOpacity] = [0.4, 0.8];

/** The darkest grey of the picture under it: on black, heat would look weaker than it is. */
const darkest = 48;

/**
 * A heat map over a picture. The picture loses its colours, so that colour means heat alone.
 * @param map [height][width] of the picture, values in [0, 1]
 */
export function heatOverlay(picture: Pixels, map: ArrayLike<number>): Pixels & { readonly channels: 3 } {
  const { width, height, channels, data } = picture;
  const result = new Uint8Array(width * height * 3);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const at = pixel * channels;
    const grey = channels === 1 ? data[at]! : 0.299 * data[at]! + 0.587 * data[at + 1]! + 0.114 * data[at + 2]!;
    const under = darkest + (grey * (255 - darkest)) / 255;
    const color = heatColor(map[pixel]!);
    const opacity = leastOpacity + (mostOpacity - leastOpacity) * map[pixel]!;
    for (let c = 0; c < 3; c++) result[pixel * 3 + c] = Math.round(opacity * color[c]! + (1 - opacity) * under);
  }
  return { width, height, channels: 3, data: result };
}
