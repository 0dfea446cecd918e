import { ShapeError } from "./errors.js";

/** Everything about a 2-D convolution but its numbers. Sizes in elements; dilation 1 is a dense kernel. */
export interface ConvGeometry {
  /** Images. */
  readonly batch: number;
  /** Of the input. */
  readonly height: number;
  /** Of the input. */
  readonly width: number;
  /** Channels of the input, all groups together. */
  readonly inChannels: number;
  /** Channels of the output, all groups together. */
  readonly outChannels: number;
  /** Of the kernel, before dilation. */
  readonly kernelHeight: number;
  /** Of the kernel, before dilation. */
  readonly kernelWidth: number;
  /** Rows from one output to the next. */
  readonly strideHeight: number;
  /** Columns from one output to the next. */
  readonly strideWidth: number;
  /** Rows of zeros above the input. */
  readonly padTop: number;
  /** Columns of zeros to its left. */
  readonly padLeft: number;
  /** Rows of zeros below it. */
  readonly padBottom: number;
  /** Columns of zeros to its right. */
  readonly padRight: number;
  /** Rows from one tap to the next. */
  readonly dilationHeight: number;
  /** Columns from one tap to the next. */
  readonly dilationWidth: number;
  /** Both channel counts are multiples of it. */
  readonly groups: number;
}

/** Output height of a convolution (or pooling window): ⌊(H + pads − ((k−1)·dilation + 1)) / stride⌋ + 1. */
export function convOutHeight(g: ConvGeometry): number {
  return outSize(g.height, g.kernelHeight, g.strideHeight, g.padTop + g.padBottom, g.dilationHeight);
}

/** Output width; see {@link convOutHeight}. */
export function convOutWidth(g: ConvGeometry): number {
  return outSize(g.width, g.kernelWidth, g.strideWidth, g.padLeft + g.padRight, g.dilationWidth);
}

function outSize(size: number, kernel: number, stride: number, pads: number, dilation: number): number {
  return Math.floor((size + pads - ((kernel - 1) * dilation + 1)) / stride) + 1;
}

/**
 * A square convolution with symmetric padding.
 * @throws ShapeError when channels do not divide by groups or the output would be empty.
 */
export function convGeometry(options: {
  batch?: number;
  height: number;
  width: number;
  inChannels: number;
  outChannels: number;
  kernel: number;
  stride?: number;
  padding?: number;
  dilation?: number;
  groups?: number;
}): ConvGeometry {
  const { batch = 1, stride = 1, padding = 0, dilation = 1, groups = 1 } = options;
  const geometry: ConvGeometry = {
    batch,
    height: options.height,
    width: options.width,
    inChannels: options.inChannels,
    outChannels: options.outChannels,
    kernelHeight: options.kernel,
    kernelWidth: options.kernel,
    strideHeight: stride,
    strideWidth: stride,
    padTop: padding,
    padLeft: padding,
    padBottom: padding,
    padRight: padding,
    dilationHeight: dilation,
    dilationWidth: dilation,
    groups,
  };
  checkConvGeometry(geometry);
  return geometry;
}

/** @throws ShapeError when the geometry is not a convolution with at least one output. */
export function checkConvGeometry(g: ConvGeometry): void {
  if (g.inChannels % g.groups !== 0 || g.outChannels % g.groups !== 0) {
    throw new ShapeError({
      expected: `input and output channels that divide by groups = ${g.groups}`,
      received: `${g.inChannels} input and ${g.outChannels} output channels`,
    });
  }
  if (convOutHeight(g) < 1 || convOutWidth(g) < 1) {
    throw new ShapeError({
      expected: `an input of at least the kernel's ${g.kernelHeight}×${g.kernelWidth} (padding included)`,
      received: `${g.height}×${g.width}`,
      remedy: "use larger images or fewer stages with stride 2",
    });
  }
}

/** Multiply-accumulates of one convolution, as the paper counts them (padding counted, bias not). */
export function convMacs(g: ConvGeometry): number {
  const perOutput = (g.inChannels / g.groups) * g.kernelHeight * g.kernelWidth;
  return g.batch * convOutHeight(g) * convOutWidth(g) * g.outChannels * perOutput;
}
