import type { Image } from "../data/dataset.js";
import { toChannels } from "../data/image.js";
import { resize } from "../data/resize.js";

/** Side of the small grey pictures by which two pictures are compared. */
const side = 16;

/** Grey levels by which a neighbour must be brighter to count: less is what compression and resizing do to even areas. */
const margin = 2;

/** A picture's looks in little: much the same for copies that were resized, compressed again or made a little brighter. */
export interface Fingerprint {
  /** [16][16] grey. */
  readonly thumbnail: Uint8Array;
  /** dHash (Krawetz, 2013), 64 bits as two words: whether each of 8×8 places is darker than its right neighbour. */
  readonly hash: readonly [number, number];
}

export function fingerprint(image: Image): Fingerprint {
  const thumbnail = resize(toChannels(image, 1), side, side);
  const { data } = resize(thumbnail, 8, 9);
  const hash: [number, number] = [0, 0];
  for (let y = 0; y < 8; y++) {
    for (let x = 0; x < 8; x++) {
      if (data[y * 9 + x]! + margin < data[y * 9 + x + 1]!) hash[y >> 2]! |= 1 << ((y & 3) * 8 + x);
    }
  }
  return { thumbnail: thumbnail.data, hash };
}

/** A thumbnail less its mean, divided by its norm; all 0 for a picture of one grey. */
export function normalized(thumbnail: Uint8Array): Float64Array {
  const mean = thumbnail.reduce((sum, x) => sum + x, 0) / thumbnail.length;
  const centred = Float64Array.from(thumbnail, (x) => x - mean);
  const norm = Math.sqrt(centred.reduce((sum, x) => sum + x * x, 0));
  return norm > 0 ? centred.map((x) => x / norm) : centred;
}

/** Pearson's correlation of two thumbnails: 1 for equal looks, whatever brightness and contrast; 0 where one is of one grey. */
export function likeness(a: Uint8Array, b: Uint8Array): number {
  let [sumA, sumB, squareA, squareB, product] = [0, 0, 0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i]!, b[i]!];
    sumA += x;
    sumB += y;
    squareA += x * x;
    squareB += y * y;
    product += x * y;
  }
  const n = a.length;
  const spread = (n * squareA - sumA * sumA) * (n * squareB - sumB * sumB);
  return spread > 0 ? (n * product - sumA * sumB) / Math.sqrt(spread) : 0;
}
