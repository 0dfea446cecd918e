/** A linear map but for its numbers. Pairs are (height, width). */
export interface MapGeometry {
  readonly outChannels: number;
  /** Channels that it reads: neighbours among the source's. */
  readonly inChannels: number;
  /** The source's channel that is its first (0, but for maps of a part of the channels). */
  readonly firstChannel: number;
  readonly sourceChannels: number;
  readonly groups: number;
  readonly kernelSize: Pair;
  readonly stride: Pair;
  readonly pads: Pads;
  readonly dilation: Pair;
}

export type Pair = readonly [height: number, width: number];
/** Zeros around the source: (top, left, bottom, right), ONNX's order. */
export type Pads = readonly [top: number, left: number, bottom: number, right: number];

export const noPads: Pads = [0, 0, 0, 0];

/** Number of weights of a kernel with this geometry, [O, I/groups, kh, kw]. */
export function weightCount(g: MapGeometry): number {
  return g.outChannels * (g.inChannels / g.groups) * g.kernelSize[0] * g.kernelSize[1];
}

/** Multiply-accumulates for each output position: the number of weights. Times the output's area for an image. */
export const macsPerPosition = weightCount;

/** The extent of a kernel with its dilation, (k − 1)·d + 1, along an axis (0 height, 1 width). */
export function extent(g: MapGeometry, axis: 0 | 1): number {
  return (g.kernelSize[axis] - 1) * g.dilation[axis] + 1;
}

/** "3×3", for messages. */
export function describeKernel(g: MapGeometry): string {
  const dilated = g.dilation[0] > 1 || g.dilation[1] > 1 ? ` (dilation ${g.dilation.join("×")})` : "";
  return `${g.kernelSize.join("×")}${dilated}`;
}

/** Greatest common divisor; gcd(0, n) = n. */
export function gcd(a: number, b: number): number {
  let [x, y] = [Math.abs(a), Math.abs(b)];
  while (y !== 0) [x, y] = [y, x % y];
  return x;
}
