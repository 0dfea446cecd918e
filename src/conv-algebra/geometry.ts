/** A linear map but for its numbers. Sizes have one number for each spatial axis: (height, width) of a picture, none of features. */
export interface MapGeometry {
  readonly outChannels: number;
  /** Channels that it reads: neighbours among the source's. */
  readonly inChannels: number;
  /** The source's channel that is its first (0, but for maps of a part of the channels). */
  readonly firstChannel: number;
  readonly sourceChannels: number;
  readonly groups: number;
  readonly kernelSize: Sizes;
  readonly stride: Sizes;
  readonly pads: Pads;
  readonly dilation: Sizes;
  /** Zeros between the source's positions: they lie this far apart (1; a transposed convolution's stride), and its other sizes count in these steps. */
  readonly upsampling: Sizes;
}

/** One number for each spatial axis. */
export type Sizes = readonly number[];
/** Sizes of a picture. */
export type Pair = readonly [height: number, width: number];
/** Zeros around the source, in ONNX's order: before it along each axis, then behind it. Negative ones leave positions out. */
export type Pads = readonly number[];

/** Spatial axes: 2 of pictures, 1 of sequences, 3 of volumes, 0 of features. */
export const spatialRank = (g: Pick<MapGeometry, "kernelSize">): number => g.kernelSize.length;

/** The same number for each axis. */
export const everyAxis = (rank: number, value: number): number[] => new Array<number>(rank).fill(value);

export const product = (sizes: Sizes): number => sizes.reduce((total, size) => total * size, 1);

/** Number of weights of a kernel with this geometry, [O, I/groups, …kernel]. */
export function weightCount(g: MapGeometry): number {
  return g.outChannels * (g.inChannels / g.groups) * product(g.kernelSize);
}

/** Multiply-accumulates for each output position, at the mean where the source has zeros in between. Times the output's area for an image. */
export function macsPerPosition(g: MapGeometry): number {
  return weightCount(g) / product(g.upsampling);
}

/** The extent of a kernel with its dilation, (k − 1)·d + 1, along an axis. */
export function extent(g: MapGeometry, axis: number): number {
  return (g.kernelSize[axis] - 1) * g.dilation[axis] + 1;
}

/** "3×3", for messages. */
export function describeKernel(g: MapGeometry): string {
  const dilated = g.dilation.some((d) => d > 1) ? ` (dilation ${g.dilation.join("×")})` : "";
  return `${g.kernelSize.join("×") || "pointwise"}${dilated}`;
}

/** Greatest common divisor; gcd(0, n) = n. */
export function gcd(a: number, b: number): number {
  let [x, y] = [Math.abs(a), Math.abs(b)];
  while (y !== 0) [x, y] = [y, x % y];
  return x;
}
