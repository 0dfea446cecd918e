import { UserError } from "../../../core/errors.js";
import { intAttribute } from "../../../graph/attributes.js";
import type { GraphNode } from "../../../graph/graph.js";
import type { Lowering } from "./context.js";

/** Softmax over channels, or over the last axis. */
export function lowerSoftmax(lowering: Lowering, node: GraphNode): void {
  const value = node.outputs[0]!;
  const shape = lowering.shapeOf(value);
  const attribute = intAttribute(node, "axis", -1);
  const axis = attribute < 0 ? attribute + shape.length : attribute;
  if (axis !== 1 && axis !== shape.length - 1) {
    throw new UserError({
      expected: `softmax over channels or over the last axis in node "${node.name}" (Softmax)`,
      received: `axis ${axis} of ${shape.length}`,
    });
  }
  const tensor = lowering.tensor(node.inputs[0]!, node);
  const input = axis === 1 ? lowering.channelsLast(tensor) : lowering.rowMajor(tensor);
  const classes = shape[axis]!;
  const output = axis === 1 ? lowering.create(value, shape) : lowering.createRowMajor(value, shape);
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
