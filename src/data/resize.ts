import type { Image } from "./dataset.js";
import type { Region } from "./image.js";

/** Bits after the point of PIL's 8-bit resampling weights: 32 − 8 for the pixel − 2 for the sign and overshoot. */
const precisionBits = 22;
const half = 1 << (precisionBits - 1);

/** For each output pixel: where its window of input pixels begins, and their weights. */
interface Taps {
  readonly starts: Int32Array;
  readonly counts: Int32Array;
  /** [output pixel][stride], fixed point, each row's sum ≈ 2^22. */
  readonly weights: Int32Array;
  readonly stride: number;
}

/** Parts of a resize; both default to the whole picture. */
export interface ResizeParts {
  /** The part of the picture to resize, inside it; pixels around it are not looked at. */
  readonly region?: Region;
  /** The part of the resized picture to compute, inside it: the same pixels as resizing all and cropping, at less cost. */
  readonly window?: Region;
}

/**
 * Antialiased bilinear resize of an 8-bit picture, bit for bit as PIL's `Image.resize(…, BILINEAR)` (so torchvision's
 * `Resize` on PIL pictures): a triangle filter whose support grows with the downscale factor, the horizontal pass
 * first, each pass rounded to 8 bits.
 */
export function resize(image: Image, height: number, width: number, parts: ResizeParts = {}): Image {
  const { channels } = image;
  const { region = { top: 0, left: 0, height: image.height, width: image.width } } = parts;
  const { window = { top: 0, left: 0, height, width } } = parts;
  const across = region.width === width ? undefined : triangleTaps(region.width, width, window.left, window.width);
  const down = region.height === height ? undefined : triangleTaps(region.height, height, window.top, window.height);
  // The horizontal pass makes only the rows that the vertical one reads.
  const last = window.height - 1;
  const firstRow = down ? down.starts[0]! : window.top;
  const rows = (down ? down.starts[last]! + down.counts[last]! : window.top + window.height) - firstRow;
  const rowBytes = window.width * channels;
  const narrowed = new Uint8Array(rows * rowBytes);
  for (let y = 0; y < rows; y++) {
    const from = ((region.top + firstRow + y) * image.width + region.left) * channels;
    if (!across) {
      const start = from + window.left * channels;
      narrowed.set(image.data.subarray(start, start + rowBytes), y * rowBytes);
    } else if (channels === 1) horizontalGrey(image.data, from, across, narrowed, y * rowBytes, window.width);
    else horizontalRgb(image.data, from, across, narrowed, y * rowBytes, window.width);
  }
  const data = down ? vertical(narrowed, firstRow, down, window.height, rowBytes) : narrowed;
  return { width: window.width, height: window.height, channels, data };
}

/** Taps of the output pixels `first` … `first + count − 1` of `outSize`. */
function triangleTaps(inSize: number, outSize: number, first: number, length: number): Taps {
  const scale = inSize / outSize;
  const filterScale = Math.max(1, scale);
  const support = filterScale; // a triangle reaches one (scaled) pixel to each side
  const stride = Math.ceil(support) * 2 + 1;
  const starts = new Int32Array(length);
  const counts = new Int32Array(length);
  const weights = new Int32Array(length * stride);
  const row = new Float64Array(stride);
  const inverse = 1 / filterScale;
  for (let out = 0; out < length; out++) {
    const centre = (first + out + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - support + 0.5));
    const count = Math.min(inSize, Math.trunc(centre + support + 0.5)) - start;
    let sum = 0;
    for (let i = 0; i < count; i++) {
      row[i] = Math.max(0, 1 - Math.abs((i + start - centre + 0.5) * inverse));
      sum += row[i]!;
    }
    for (let i = 0; i < count; i++) {
      const weight = sum === 0 ? row[i]! : row[i]! / sum;
      weights[out * stride + i] = Math.trunc(0.5 + weight * (1 << precisionBits));
    }
    starts[out] = start;
    counts[out] = count;
  }
  return { starts, counts, weights, stride };
}

function horizontalGrey(
  data: Uint8Array,
  from: number,
  taps: Taps,
  target: Uint8Array,
  to: number,
  width: number,
): void {
  const { starts, counts, weights, stride } = taps;
  for (let x = 0; x < width; x++) {
    const first = from + starts[x]!;
    const count = counts[x]!;
    const w = x * stride;
    let sum = half;
    for (let i = 0; i < count; i++) sum = (sum + Math.imul(data[first + i]!, weights[w + i]!)) | 0;
    target[to + x] = clip(sum);
  }
}

function horizontalRgb(
  data: Uint8Array,
  from: number,
  taps: Taps,
  target: Uint8Array,
  to: number,
  width: number,
): void {
  const { starts, counts, weights, stride } = taps;
  for (let x = 0; x < width; x++) {
    const count = counts[x]!;
    const w = x * stride;
    let red = half;
    let green = half;
    let blue = half;
    for (let i = 0, p = from + starts[x]! * 3; i < count; i++, p += 3) {
      const weight = weights[w + i]!;
      red = (red + Math.imul(data[p]!, weight)) | 0;
      green = (green + Math.imul(data[p + 1]!, weight)) | 0;
      blue = (blue + Math.imul(data[p + 2]!, weight)) | 0;
    }
    target[to + x * 3] = clip(red);
    target[to + x * 3 + 1] = clip(green);
    target[to + x * 3 + 2] = clip(blue);
  }
}

function vertical(
  data: Uint8Array,
  firstRow: number,
  taps: Taps,
  height: number,
  rowBytes: number,
): Uint8Array<ArrayBuffer> {
  const { starts, counts, weights, stride } = taps;
  const result = new Uint8Array(height * rowBytes);
  const sums = new Int32Array(rowBytes);
  for (let y = 0; y < height; y++) {
    sums.fill(half);
    for (let i = 0; i < counts[y]!; i++) {
      const weight = weights[y * stride + i]!;
      const from = (starts[y]! + i - firstRow) * rowBytes;
      for (let x = 0; x < rowBytes; x++) sums[x] = (sums[x]! + Math.imul(data[from + x]!, weight)) | 0;
    }
    const to = y * rowBytes;
    for (let x = 0; x < rowBytes; x++) result[to + x] = clip(sums[x]!);
  }
  return result;
}

/** The weights of one output pixel may sum to a few units more than 2^22, hence the upper bound. */
function clip(sum: number): number {
  return Math.min(255, sum >> precisionBits);
}
