import { UserError } from "../../../core/errors.js";
import { toFloat64 } from "../../../core/named-arrays.js";
import { intsAttribute } from "../../../graph/attributes.js";
import type { GraphNode } from "../../../graph/graph.js";
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

/** ReduceMean over all spatial axes is a global average pool. */
export function lowerReduceMean(lowering: Lowering, node: GraphNode): void {
  const rank = lowering.shapeOf(node.inputs[0]!).length;
  const axes = reducedAxes(lowering, node)?.map((axis) => (axis < 0 ? axis + rank : axis));
  const spatial = Array.from({ length: rank - 2 }, (_, i) => i + 2);
  if (rank < 3 || axes === undefined || `${axes.toSorted()}` !== `${spatial}`) {
    throw new UserError({
      expected: `a mean over height and width in node "${node.name}" (ReduceMean)`,
      received: axes ? `one over axes [${axes}] of ${rank}` : "one over all axes, or over computed ones",
    });
  }
  lowerGlobalAveragePool(lowering, node);
}

/** An attribute up to opset 17, an input since. */
function reducedAxes(lowering: Lowering, node: GraphNode): readonly number[] | undefined {
  const constant = node.inputs[1] ? lowering.graph.constants.get(node.inputs[1]) : undefined;
  return constant ? [...toFloat64(constant)] : intsAttribute(node, "axes");
}
