import { UserError } from "../../../core/errors.js";
import { intAttribute, intsAttribute } from "../../../graph/attributes.js";
import type { GraphNode } from "../../../graph/graph.js";
import { windowOf } from "../../../graph/window.js";
import { extents } from "../step.js";
import type { Lowering } from "./context.js";

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

/** MaxPool and AveragePool of images, with any window. */
export function lowerPool(lowering: Lowering, node: GraphNode): void {
  const shape = imageShape(lowering, node);
  const { kernel, strides, dilations, pads } = windowOf(
    node,
    intsAttribute(node, "kernel_shape") ?? [],
    shape.slice(2),
  );
  const [kernel_height, kernel_width] = kernel as [number, number];
  const [stride_y, stride_x] = strides as [number, number];
  const [dilation_y, dilation_x] = dilations as [number, number];
  const [pad_y, pad_x, pad_bottom, pad_right] = pads as [number, number, number, number];
  const window = { kernel_height, kernel_width, stride_y, stride_x, pad_y, pad_x, dilation_y, dilation_x };
  const include_pad = intAttribute(node, "count_include_pad", 0);
  emitPool(lowering, node, window, node.op === "MaxPool" ? undefined : { pad_bottom, pad_right, include_pad });
}

export function lowerGlobalMaxPool(lowering: Lowering, node: GraphNode): void {
  const [, , height, width] = imageShape(lowering, node);
  const none = { pad_y: 0, pad_x: 0, dilation_y: 1, dilation_x: 1 };
  emitPool(
    lowering,
    node,
    { kernel_height: height, kernel_width: width, stride_y: 1, stride_x: 1, ...none },
    undefined,
  );
}

interface PoolWindow {
  readonly kernel_height: number;
  readonly kernel_width: number;
  readonly stride_y: number;
  readonly stride_x: number;
  readonly pad_y: number;
  readonly pad_x: number;
  readonly dilation_y: number;
  readonly dilation_x: number;
}

/** @param average what an average needs besides; a maximum where it is undefined */
function emitPool(
  lowering: Lowering,
  node: GraphNode,
  window: PoolWindow,
  average: { readonly pad_bottom: number; readonly pad_right: number; readonly include_pad: number } | undefined,
): void {
  const value = node.outputs[0]!;
  const input = lowering.channelsLast(lowering.tensor(node.inputs[0]!, node));
  const output = lowering.create(value, lowering.shapeOf(value));
  const [batch, channels, in_height, in_width] = imageShape(lowering, node);
  const [out_height, out_width] = output.shape.slice(2) as [number, number];
  const sizes = { batch, in_height, in_width, channels, out_height, out_width, ...window };
  lowering.emit({
    name: node.name,
    op: node.op,
    algorithm: average ? "average_pool" : "max_pool",
    reads: [input],
    output,
    calls: (at) => {
      const args = { x: at.of(input.buffer), y: at.of(output.buffer), ...sizes };
      if (average) return [{ kernel: "average_pool_forward", args: { ...args, ...average } }];
      return [{ kernel: "max_pool_forward", args }];
    },
  });
  lowering.define(value, output);
}

function imageShape(lowering: Lowering, node: GraphNode): readonly [number, number, number, number] {
  const shape = lowering.shapeOf(node.inputs[0]!);
  if (shape.length === 4) return shape as [number, number, number, number];
  throw new UserError({
    expected: `images [N, C, H, W] in node "${node.name}" (${node.op})`,
    received: `[${shape.join(", ")}]`,
  });
}
