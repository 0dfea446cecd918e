import type { KernelCall, Pointer } from "../backend/backend.js";
import { elementCount } from "../core/named-arrays.js";
import { flagAttribute, intAttribute, intsAttribute } from "../graph/attributes.js";
import type { GraphNode } from "../graph/graph.js";
import { refuse } from "../graph/operator/operator.js";
import { windowOf } from "../graph/window.js";
import type { Lowering } from "./context.js";
import { extents, type Tensor } from "./step.js";

export function lowerGlobalAveragePool(lowering: Lowering, node: GraphNode): void {
  const input = lowering.channelsLast(lowering.tensor(node.inputs[0]!, node));
  const output = lowering.create(node.outputs[0]!, lowering.shapeOf(node.outputs[0]!));
  lowering.emit({
    name: node.name,
    op: node.op,
    algorithm: "global_average_pool",
    reads: [input],
    output,
    calls: (at) => [
      {
        kernel: "global_average_pool_forward",
        args: { x: at.of(input.buffer), y: at.of(output.buffer), ...extents(input.shape) },
      },
    ],
  });
  lowering.define(node.outputs[0]!, output);
}

/** A window over two axes of [batch][in_height][in_width][channels], as the kernels count it. */
interface Pass {
  readonly batch: number;
  readonly in_height: number;
  readonly in_width: number;
  readonly channels: number;
  readonly out_height: number;
  readonly out_width: number;
  readonly kernel_height: number;
  readonly kernel_width: number;
  readonly stride_y: number;
  readonly stride_x: number;
  readonly pad_y: number;
  readonly pad_x: number;
  readonly dilation_y: number;
  readonly dilation_x: number;
}

/** What is in a window behind the input, which only averages ask for. */
interface Behind {
  readonly pad_bottom: number;
  readonly pad_right: number;
}

type PoolCall = (x: Pointer, y: Pointer, pass: Pass, behind: Behind) => KernelCall;

const pools: Readonly<Record<string, (node: GraphNode) => PoolCall>> = {
  MaxPool: () => (x, y, pass) => ({ kernel: "max_pool_forward", args: { x, y, ...pass } }),
  AveragePool: (node) => {
    const include_pad = Number(flagAttribute(node, "count_include_pad", false));
    return (x, y, pass, behind) => ({
      kernel: "average_pool_forward",
      args: { x, y, ...pass, ...behind, include_pad },
    });
  },
  LpPool: (node) => {
    const power = intAttribute(node, "p", 2);
    return (x, y, pass) => ({ kernel: "lp_pool_forward", args: { x, y, ...pass, power } });
  },
};

/** MaxPool (with its places), AveragePool and LpPool over one to three axes, with any window. */
export function lowerPool(lowering: Lowering, node: GraphNode): void {
  const input = lowering.channelsLast(lowering.tensor(node.inputs[0]!, node));
  const spatial = input.shape.slice(2);
  const kernel = intsAttribute(node, "kernel_shape") ?? [];
  const { strides, dilations, pads } = windowOf(node, kernel, spatial);
  const window = kernel.map((size, axis): AxisWindow => {
    const [pad, end] = [pads![axis]!, pads![axis + kernel.length]!];
    return { kernel: size, stride: strides[axis]!, dilation: dilations[axis]!, pad, end };
  });
  const call = poolCall(lowering, node);
  const outputs = lowering.shapeOf(node.outputs[0]!).slice(2);
  const passes = passesOf(input.shape, outputs, window);
  if (node.outputs[1] && lowering.graph.uses.has(node.outputs[1])) lowerPlaces(lowering, node, input, passes);
  lowering.define(node.outputs[0]!, emitPasses(lowering, node, input, passes, call));
}

/** GlobalMaxPool and GlobalLpPool: all positions are one window. */
export function lowerGlobalPool(lowering: Lowering, node: GraphNode): void {
  const input = lowering.channelsLast(lowering.tensor(node.inputs[0]!, node));
  const positions = elementCount(input.shape.slice(2));
  const all: AxisWindow = { kernel: positions, stride: 1, dilation: 1, pad: 0, end: 0 };
  const passes = passesOf([...input.shape.slice(0, 2), positions], [1], [all]);
  const call = poolCall(lowering, { ...node, op: node.op.replace("Global", "") });
  lowering.define(node.outputs[0]!, emitPasses(lowering, node, input, passes, call));
}

function poolCall(lowering: Lowering, node: GraphNode): PoolCall {
  const power = intAttribute(node, "p", 2);
  if (node.op === "LpPool" && !(power >= 1 && power <= 64)) {
    refuse(lowering.context(node), "a norm p from 1 to 64", String(power));
  }
  return pools[node.op]!(node);
}

interface AxisWindow {
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly pad: number;
  readonly end: number;
}

const whole: AxisWindow = { kernel: 1, stride: 1, dilation: 1, pad: 0, end: 0 };

type PoolPass = Pass & Behind & { readonly outShape: readonly number[] };

/** One axis is an image of height 1. Of three, the last two go first, then the first: maxima, means and norms of boxes are those of their slices'. */
function passesOf(
  shape: readonly number[],
  outputs: readonly number[],
  window: readonly AxisWindow[],
): readonly PoolPass[] {
  const [batch, channels, ...sizes] = shape as [number, number, ...number[]];
  const pass = (
    n: number,
    input: readonly number[],
    output: readonly number[],
    [y, x]: readonly AxisWindow[],
    out: readonly number[],
  ): PoolPass => ({
    ...{ batch: n, in_height: input[0]!, in_width: input[1]!, channels, out_height: output[0]!, out_width: output[1]! },
    ...{ kernel_height: y!.kernel, kernel_width: x!.kernel, stride_y: y!.stride, stride_x: x!.stride },
    ...{ pad_y: y!.pad, pad_x: x!.pad, dilation_y: y!.dilation, dilation_x: x!.dilation },
    ...{ pad_bottom: y!.end, pad_right: x!.end, outShape: [batch, channels, ...out] },
  });
  if (sizes.length === 1) return [pass(batch, [1, ...sizes], [1, ...outputs], [whole, ...window], outputs)];
  if (sizes.length === 2) return [pass(batch, sizes, outputs, window, outputs)];
  const [depth, ...image] = sizes as [number, ...number[]];
  const [outDepth, ...outImage] = outputs as [number, ...number[]];
  const area = elementCount(outImage);
  return [
    pass(batch * depth, image, outImage, window.slice(1), [depth, ...outImage]),
    pass(batch, [depth, area], [outDepth, area], [window[0]!, whole], outputs),
  ];
}

function emitPasses(
  lowering: Lowering,
  node: GraphNode,
  input: Tensor,
  passes: readonly PoolPass[],
  call: PoolCall,
): Tensor {
  return passes.reduce((from, { outShape, pad_bottom, pad_right, ...pass }, i) => {
    const shape = i === passes.length - 1 ? lowering.shapeOf(node.outputs[0]!) : outShape;
    const output = lowering.create(node.outputs[0]!, shape);
    return lowering.emit({
      name: node.name,
      op: node.op,
      algorithm: call(0, 0, pass, { pad_bottom, pad_right }).kernel.replace("_forward", ""),
      reads: [from],
      output,
      calls: (at) => [call(at.of(from.buffer), at.of(output.buffer), pass, { pad_bottom, pad_right })],
    });
  }, input);
}

/** Whole numbers that a float32 holds. */
const mostCounted = 2 ** 24;

/** MaxPool's second output: where in the flattened input each maximum stands. */
function lowerPlaces(lowering: Lowering, node: GraphNode, input: Tensor, passes: readonly PoolPass[]): void {
  const value = node.outputs[1]!;
  if (passes.length > 1) refuse(lowering.context(node), "Indices of one or two axes", `${passes.length + 1} axes`);
  if (input.buffer.words > mostCounted) {
    refuse(
      lowering.context(node),
      `Indices up to ${mostCounted}, as float32 holds them`,
      `${input.buffer.words} elements`,
    );
  }
  const { outShape, pad_bottom: _bottom, pad_right: _right, ...pass } = passes[0]!;
  const output = lowering.create(value, outShape);
  lowering.emit({
    name: node.name,
    op: node.op,
    algorithm: "max_pool_index",
    reads: [input],
    output,
    calls: (at) => [
      {
        kernel: "max_pool_index_forward",
        args: {
          ...{ x: at.of(input.buffer), y: at.of(output.buffer), ...pass },
          by_columns: Number(flagAttribute(node, "storage_order", false)),
        },
      },
    ],
  });
  lowering.define(value, output);
}
