import { type ConvGeometry, checkConvGeometry } from "../core/conv-geometry.js";
import { intAttribute } from "../graph/attributes.js";
import type { GraphNode } from "../graph/graph.js";
import { windowOf } from "../graph/window.js";
import { type TransposedWindow, transposedWindow } from "../operators/conv.js";
import type { Lowering } from "./context.js";
import { lacking } from "./lacking.js";

/** A convolution over any number of axes, with the sizes that it reads. Of a transposed one: of that whose gradient it is, so that it reads the result. */
export interface SpatialWindow extends Pick<TransposedWindow, "kernel" | "strides" | "dilations" | "pads"> {
  readonly sizes: readonly number[];
}

/** A transposed convolution is as many convolutions as its stride has places. */
const mostPhases = 2 ** 14;

type Channels = Pick<ConvGeometry, "batch" | "inChannels" | "outChannels" | "groups">;

export function convWindow(node: GraphNode, input: readonly number[], weight: readonly number[]): SpatialWindow {
  const sizes = input.slice(2);
  const { kernel, strides, dilations, pads } = windowOf(node, weight.slice(2), sizes);
  return { sizes, kernel, strides, dilations, pads: pads! };
}

export function convTransposeWindow(
  lowering: Lowering,
  node: GraphNode,
  input: readonly number[],
  weight: readonly number[],
): SpatialWindow {
  const window = transposedWindow(lowering.context(node), weight.slice(2), input.slice(2));
  const { kernel, strides, dilations, pads, output } = window;
  if (strides.reduce((n, stride, axis) => n * Math.min(stride, output[axis]!), 1) > mostPhases) {
    throw lacking(node, `strides whose product is at most ${mostPhases}`, `[${strides}]`);
  }
  // The last window has to end with the result, however much output_padding lies behind it.
  const ends = kernel.map((size, axis) => {
    const reach = strides[axis]! * (input[axis + 2]! - 1) + (size - 1) * dilations[axis]! + 1;
    return reach - output[axis]! - pads[axis]!;
  });
  return { sizes: output, kernel, strides, dilations, pads: [...pads.slice(0, kernel.length), ...ends] };
}

/** Images, or signals as images of height 1. @throws UserError for volumes */
export function convGeometryOf(node: GraphNode, input: readonly number[], weight: readonly number[]): ConvGeometry {
  const channels = { inChannels: input[1]!, outChannels: weight[0]!, groups: intAttribute(node, "group", 1) };
  return geometryOf(node, { batch: input[0]!, ...channels }, convWindow(node, input, weight));
}

/** The convolution whose input is the result: its gradient is the transposed one. */
export function transposedGeometryOf(
  lowering: Lowering,
  node: GraphNode,
  input: readonly number[],
  weight: readonly number[],
): ConvGeometry {
  const groups = intAttribute(node, "group", 1);
  const channels = { inChannels: weight[1]! * groups, outChannels: weight[0]!, groups };
  return geometryOf(node, { batch: input[0]!, ...channels }, convTransposeWindow(lowering, node, input, weight));
}

/** @throws UserError for more than two axes */
export function geometryOf(node: GraphNode, channels: Channels, window: SpatialWindow): ConvGeometry {
  const rank = window.sizes.length;
  if (rank > 2) throw lacking(node, "signals or images, of one or two spatial axes", `${rank}`);
  const two = (values: readonly number[], missing: number) =>
    (values.length === 1 ? [missing, values[0]] : values) as [number, number];
  const [height, width] = two(window.sizes, 1);
  const [kernelHeight, kernelWidth] = two(window.kernel, 1);
  const [strideHeight, strideWidth] = two(window.strides, 1);
  const [dilationHeight, dilationWidth] = two(window.dilations, 1);
  const [padTop, padLeft] = two(window.pads.slice(0, rank), 0);
  const [padBottom, padRight] = two(window.pads.slice(rank), 0);
  const geometry: ConvGeometry = {
    ...channels,
    ...{ height, width, kernelHeight, kernelWidth, strideHeight, strideWidth, dilationHeight, dilationWidth },
    ...{ padTop, padLeft, padBottom, padRight },
  };
  checkConvGeometry(geometry);
  return geometry;
}
