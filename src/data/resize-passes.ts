/** Bits after the point of PIL's 8-bit resampling weights: 32 − 8 for the pixel − 2 for the sign and overshoot. */
export const precisionBits = 22;
const half = 1 << (precisionBits - 1);

/** For each output pixel: where its window of input pixels begins, and their weights. */
export interface Taps {
  readonly starts: Int32Array;
  readonly counts: Int32Array;
  /** [output pixel][stride], fixed point, each row's sum ≈ 2^22. */
  readonly weights: Int32Array;
  readonly stride: number;
}

/** What the two passes of a resize do: rows of a picture narrowed (or only cut), then weighed into other rows. */
export interface ResizeJob {
  readonly source: Uint8Array;
  /** The byte of `source` where the first row begins, and how many bytes lie from one row to the next. */
  readonly from: number;
  readonly stride: number;
  readonly rows: number;
  readonly channels: 1 | 3;
  /** Pixels of the result. */
  readonly width: number;
  readonly height: number;
  /** Which row of the resized part the first is: `down` counts from 0. */
  readonly firstRow: number;
  /** Undefined where the rows, or the columns, stay as they are. */
  readonly across: Taps | undefined;
  readonly down: Taps | undefined;
}

/** The passes in TypeScript, for where there is no WebAssembly SIMD; what the others are held against. @returns [height][width][channels] */
export function scalarPasses(job: ResizeJob): Uint8Array<ArrayBuffer> {
  const { source, from, stride, rows, channels, width, across, down } = job;
  const rowBytes = width * channels;
  const narrowed = new Uint8Array(rows * rowBytes);
  for (let y = 0, row = from; y < rows; y++, row += stride) {
    if (!across) narrowed.set(source.subarray(row, row + rowBytes), y * rowBytes);
    else if (channels === 1) horizontalGrey(source, row, across, narrowed, y * rowBytes, width);
    else horizontalRgb(source, row, across, narrowed, y * rowBytes, width);
  }
  return down ? vertical(narrowed, job.firstRow, down, job.height, rowBytes) : narrowed;
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
