import type { Image } from "./dataset.js";
import type { Region } from "./image.js";
import { precisionBits, type ResizeJob, scalarPasses, type Taps } from "./resize-passes.js";
import { wasmPasses } from "./resize-wasm.js";

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
  const job: ResizeJob = {
    source: image.data,
    from: ((region.top + firstRow) * image.width + region.left + (across ? 0 : window.left)) * channels,
    stride: image.width * channels,
    rows,
    channels,
    width: window.width,
    height: window.height,
    firstRow,
    across,
    down,
  };
  const data = wasmPasses(job) ?? scalarPasses(job);
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
