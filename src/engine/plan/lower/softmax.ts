import { UserError } from "../../../core/errors.js";
import type { GraphNode } from "../../../graph/graph.js";
import { softmaxExtents } from "../../../graph/operators/reduce.js";
import type { Lowering } from "./context.js";

/** Softmax over numbers that lie side by side: the last axis, or channels where these stand last in memory. */
export function lowerSoftmax(lowering: Lowering, node: GraphNode): void {
  const value = node.outputs[0]!;
  const shape = lowering.shapeOf(value);
  const [outer, classes, inner] = softmaxExtents(lowering.context(node), shape);
  const overChannels = inner > 1 && outer === shape[0] && classes === shape[1];
  if (inner > 1 && !overChannels) {
    throw new UserError({
      expected: `softmax over channels or over the last axis in node "${node.name}" (Softmax)`,
      received: `one over the middle of [${shape.join(", ")}]`,
    });
  }
  const tensor = lowering.tensor(node.inputs[0]!, node);
  const input = overChannels ? lowering.channelsLast(tensor) : lowering.rowMajor(tensor);
  const output = overChannels ? lowering.create(value, shape) : lowering.createRowMajor(value, shape);
  lowering.emit({
    name: node.name,
    op: node.op,
    algorithm: "softmax",
    reads: [input],
    output,
    calls: (at) => [
      {
        kernel: "softmax_forward",
        args: { x: at.of(input.buffer), y: at.of(output.buffer), rows: input.buffer.words / classes, classes },
      },
    ],
  });
  lowering.define(value, output);
}
