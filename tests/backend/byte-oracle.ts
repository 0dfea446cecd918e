import { type ConvGeometry, convOutHeight, convOutWidth } from "#repvgg/core/conv-geometry.js";

/** Naive arithmetic of bytes in whole numbers: float64 holds every sum here exactly, and float32 roundings are made one by one. */

/** Bytes of a position of so many channels. */
export const rowBytes = (channels: number): number => Math.ceil(channels / 4) * 4;

/** [positions][channels] → the same with channels filled up to a multiple of 4 by `filler`. */
export function padded(values: ArrayLike<number>, channels: number, filler: number): Uint8Array {
  const row = rowBytes(channels);
  const result = new Uint8Array((values.length / channels) * row).fill(filler);
  for (let i = 0; i < values.length; i++) result[Math.floor(i / channels) * row + (i % channels)] = values[i]!;
  return result;
}

/** What of {@link padded} is not filler. */
export function unpadded(bytes: Uint8Array, channels: number): Uint8Array {
  const row = rowBytes(channels);
  return new Uint8Array((bytes.length / row) * channels).map(
    (_, i) => bytes[Math.floor(i / channels) * row + (i % channels)]!,
  );
}

/** To the nearest whole number, ties to even. */
export function roundEven(value: number): number {
  const low = Math.floor(value);
  if (value - low !== 0.5) return Math.round(value);
  return low % 2 === 0 ? low : low + 1;
}

/** zero + value as a byte of low … high; NaN is low. */
export function toByte(value: number, zero: number, low = 0, high = 255): number {
  if (Number.isNaN(value)) return low;
  return Math.min(Math.max(roundEven(Math.min(Math.max(value, -1000), 1000)) + zero, low), high);
}

export interface ByteConv {
  readonly geometry: ConvGeometry;
  /** [N][H][W][I] */
  readonly x: Uint8Array;
  /** HWIO */
  readonly weight: Int8Array;
  readonly bias: Int32Array;
  readonly multiplier: Float32Array;
  readonly inputZero: number;
}

/** Σ x · w + bias, a tap outside the image reading inputZero: [N][OH][OW][O]. */
export function naiveSums({ geometry: g, x, weight, bias, inputZero }: ByteConv): Float64Array {
  const [outHeight, outWidth] = [convOutHeight(g), convOutWidth(g)];
  const [inputs, outputs] = [g.inChannels / g.groups, g.outChannels / g.groups];
  const sums = new Float64Array(g.batch * outHeight * outWidth * g.outChannels);
  let at = 0;
  for (let n = 0; n < g.batch; n++)
    for (let oy = 0; oy < outHeight; oy++)
      for (let ox = 0; ox < outWidth; ox++)
        for (let o = 0; o < g.outChannels; o++, at++) {
          let sum = bias[o]!;
          const first = Math.floor(o / outputs) * inputs;
          for (let ky = 0; ky < g.kernelHeight; ky++)
            for (let kx = 0; kx < g.kernelWidth; kx++) {
              const iy = oy * g.strideHeight + ky * g.dilationHeight - g.padTop;
              const ix = ox * g.strideWidth + kx * g.dilationWidth - g.padLeft;
              const inside = iy >= 0 && iy < g.height && ix >= 0 && ix < g.width;
              const pixel = ((n * g.height + iy) * g.width + ix) * g.inChannels + first;
              const tap = (ky * g.kernelWidth + kx) * inputs * g.outChannels + o;
              for (let i = 0; i < inputs; i++)
                sum += (inside ? x[pixel + i]! : inputZero) * weight[tap + i * g.outChannels]!;
            }
          sums[at] = sum;
        }
  return sums;
}

/** The largest Σ |w| over the outputs. */
export function largestSumOf(g: ConvGeometry, weight: Int8Array): number {
  const sums = new Float64Array(g.outChannels);
  weight.forEach((w, i) => {
    sums[i % g.outChannels]! += Math.abs(w);
  });
  return Math.max(...sums);
}
