import type { MapGeometry, Pads, Sizes } from "./geometry.js";
import { everyAxis, extent, product, spatialRank, weightCount } from "./geometry.js";
import type { Numbers } from "./kernel.js";
import type { LinearMap } from "./linear-map.js";
import { convolutionMap } from "./linear-map.js";
import { withZeroFrame } from "./pad.js";

/** A transposed convolution's window, as ONNX's ConvTranspose and PyTorch have it. */
export interface TransposedWindow {
  readonly kernelSize: Sizes;
  readonly stride: Sizes;
  /** Positions of the full output that are left out, before and behind along each axis. */
  readonly pads: Pads;
  readonly dilation: Sizes;
  /** Positions added behind along each axis. */
  readonly outputPadding: Sizes;
}

/**
 * A transposed convolution as a map: the convolution, with the flipped kernel, of its source with stride − 1 zeros between positions
 * (Dumoulin and Visin 2016, A guide to convolution arithmetic, §4; XLA's left-hand-side dilation).
 * @param weight [inChannels, outChannels/groups, …kernel], as ONNX and PyTorch store it
 */
export function transposedConvolutionMap(
  weight: ArrayLike<number>,
  bias: ArrayLike<number> | undefined,
  {
    inChannels,
    outChannels,
    groups,
    ...window
  }: TransposedWindow & Pick<MapGeometry, "inChannels" | "outChannels" | "groups">,
): LinearMap {
  const { kernelSize, stride, pads, dilation, outputPadding } = window;
  const rank = kernelSize.length;
  const reach = kernelSize.map((size, axis) => (size - 1) * dilation[axis]);
  const geometry = {
    inChannels,
    outChannels,
    groups,
    kernelSize,
    dilation,
    upsampling: stride,
    pads: pads.map((p, side) => reach[side % rank] - p + (side < rank ? 0 : outputPadding[side - rank])),
  };
  const exchange = (): Float64Array => exchanged(weight, inChannels, outChannels, groups, product(kernelSize));
  return convolutionMap(onDemand(weight.length, exchange), bias, geometry);
}

/** The map as one transposed convolution can have it: its kernel in a frame of zeros where padding reaches beyond the kernel. */
export function transposedForm(map: LinearMap): LinearMap {
  const rank = spatialRank(map);
  const frame = everyAxis(2 * rank, 0);
  for (let axis = 0; axis < rank; axis++) {
    const reach = extent(map, axis) - 1;
    frame[axis + rank] = Math.max(0, map.pads[axis] - reach);
    const behind = map.pads[axis + rank] - reach; // what output padding can give is less than the stride
    if (behind >= map.upsampling[axis]) frame[axis] = behind - map.upsampling[axis] + 1;
  }
  return withZeroFrame(map, frame);
}

/** The window of a map in {@link transposedForm}. */
export function transposedWindow(map: LinearMap): TransposedWindow {
  const { kernelSize, dilation, upsampling } = map;
  const rank = spatialRank(map);
  const reach = kernelSize.map((_, axis) => extent(map, axis) - 1);
  const left = map.pads.map((p, side) => reach[side % rank] - p);
  return {
    kernelSize,
    dilation,
    stride: upsampling,
    pads: left.map((p) => Math.max(0, p)),
    outputPadding: reach.map((_, axis) => Math.max(0, -left[axis + rank])),
  };
}

/**
 * Between the two ways to store a transposed kernel: [inChannels, outChannels/groups, …kernel] ↔ the map's
 * [outChannels, inChannels/groups, …kernel], flipped along every spatial axis.
 */
export function exchanged(
  weight: ArrayLike<number>,
  firstChannels: number,
  secondChannels: number,
  groups: number,
  taps: number,
): Float64Array {
  const [a, b] = [firstChannels / groups, secondChannels / groups];
  const result = new Float64Array(weight.length);
  for (let i = 0, from = 0; i < firstChannels; i++) {
    const group = Math.floor(i / a);
    for (let o = 0; o < b; o++) {
      const to = ((group * b + o) * a + (i % a)) * taps;
      for (let t = 0; t < taps; t++) result[to + taps - 1 - t] = weight[from++];
    }
  }
  return result;
}

/** Numbers that are computed the first time that one is asked for. */
function onDemand(length: number, make: () => Float64Array): Numbers {
  let made: Float64Array | undefined;
  return {
    length,
    subarray(from, to) {
      made ??= make();
      return made.subarray(from, to);
    },
  };
}

/** The weights of a map as a transposed convolution stores them. @param weight the map's, [outChannels, inChannels/groups, …kernel] */
export function transposedWeight(map: MapGeometry, weight: Float64Array): Float64Array {
  return exchanged(
    weight,
    map.outChannels,
    map.inChannels,
    map.groups,
    weightCount(map) / (map.outChannels * (map.inChannels / map.groups)),
  );
}
