import { type ConvGeometry, checkConvGeometry, convOutHeight, convOutWidth } from "../../core/conv-geometry.js";
import { ShapeError } from "../../core/errors.js";
import type { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";
import { convolve } from "./convolution.js";

export interface Conv2dOptions {
  /** One number, or [vertical, horizontal]. Default 1. */
  readonly stride?: number | readonly [number, number];
  /** Zeros on each side; one number, or [above and below, left and right]. Default 0. */
  readonly padding?: number | readonly [number, number];
  readonly dilation?: number | readonly [number, number];
  readonly groups?: number;
  /** [outChannels] */
  readonly bias?: Tensor;
}

/**
 * 2-D cross-correlation, as PyTorch's conv2d:
 * y[n,p,q,o] = Σ_{i,j,c} x[n, p·stride + i·dilation − padding, q·…, group(o)·I/groups + c] · weight[i,j,c,o] (+ bias[o]).
 *
 * @param x [N,H,W,I]
 * @param weight [kernelHeight,kernelWidth,I/groups,O] (HWIO)
 * @returns [N,OH,OW,O]
 * @throws ShapeError when channels or groups do not fit, or the output would be empty
 */
export function conv2d(tape: Tape, x: Tensor, weight: Tensor, options: Conv2dOptions = {}): Tensor {
  const geometry = conv2dGeometry(x.shape, weight.shape, options);
  const { bias } = options;
  if (bias && bias.size !== geometry.outChannels) {
    throw new ShapeError({ expected: `a bias of [${geometry.outChannels}]`, received: `[${bias.shape}]` });
  }
  const outShape = [geometry.batch, convOutHeight(geometry), convOutWidth(geometry), geometry.outChannels];
  return convolve(tape, x, weight, bias, geometry, outShape);
}

function conv2dGeometry(x: readonly number[], weight: readonly number[], options: Conv2dOptions): ConvGeometry {
  const { stride = 1, padding = 0, dilation = 1, groups = 1 } = options;
  if (x.length !== 4 || weight.length !== 4) {
    throw new ShapeError({ expected: "x [N,H,W,I] and weight [kh,kw,I/groups,O]", received: `[${x}] and [${weight}]` });
  }
  const [batch, height, width, inChannels] = x as [number, number, number, number];
  const [kernelHeight, kernelWidth, channelsOfGroup, outChannels] = weight as [number, number, number, number];
  if (channelsOfGroup * groups !== inChannels) {
    throw new ShapeError({
      expected: `weights for ${inChannels} input channels in ${groups} group(s)`,
      received: `weights for ${channelsOfGroup} channels a group`,
    });
  }
  const [strideHeight, strideWidth] = pair(stride);
  const [padHeight, padWidth] = pair(padding);
  const [dilationHeight, dilationWidth] = pair(dilation);
  const geometry: ConvGeometry = {
    batch,
    height,
    width,
    inChannels,
    outChannels,
    kernelHeight,
    kernelWidth,
    strideHeight,
    strideWidth,
    padTop: padHeight,
    padLeft: padWidth,
    padBottom: padHeight,
    padRight: padWidth,
    dilationHeight,
    dilationWidth,
    groups,
  };
  checkConvGeometry(geometry);
  return geometry;
}

function pair(value: number | readonly [number, number]): readonly [number, number] {
  return typeof value === "number" ? [value, value] : value;
}
