import { UserError } from "../../../core/errors.js";
import { intAttribute } from "../../../graph/attributes.js";
import type { GraphNode } from "../../../graph/graph.js";
import { extents } from "../step.js";
import type { Lowering } from "./context.js";

/** The same value under another name. */
export function lowerIdentity(lowering: Lowering, node: GraphNode): void {
  lowering.define(node.outputs[0]!, lowering.tensor(node.inputs[0]!, node));
}

/** Flatten, Reshape, Squeeze, Unsqueeze: the same memory under another shape. */
export function lowerReshape(lowering: Lowering, node: GraphNode): void {
  const { buffer } = lowering.rowMajor(lowering.tensor(node.inputs[0]!, node));
  const value = node.outputs[0]!;
  lowering.define(value, { shape: lowering.shapeOf(value), layout: "row-major", buffer });
}

/** Concat along channels: gathered in row-major order, where each operand is one piece of each image. */
export function lowerConcat(lowering: Lowering, node: GraphNode): void {
  const value = node.outputs[0]!;
  const shape = lowering.shapeOf(value);
  const axis = intAttribute(node, "axis", 1);
  if ((axis < 0 ? axis + shape.length : axis) !== 1) {
    throw new UserError({
      expected: `concatenation along channels (axis 1) in node "${node.name}" (Concat)`,
      received: `axis ${axis} of ${shape.length}`,
    });
  }
  const operands = node.inputs.map((input) => lowering.tensor(input, node));
  const output = lowering.createRowMajor(value, shape);
  const { batch, positions, channels } = extents(shape);
  lowering.emit({
    name: node.name,
    op: node.op,
    algorithm: "copy",
    reads: operands,
    output,
    calls: (at) => {
      let offset = 0;
      return operands.flatMap((operand) => {
        const part = extents(operand.shape).channels;
        const start = offset;
        offset += part * positions;
        return Array.from({ length: batch }, (_, image) => {
          const x = at.of(operand.buffer) + image * part * positions;
          const y = at.of(output.buffer) + image * channels * positions + start;
          return operand.layout === "channels-last"
            ? { kernel: "nhwc_to_nchw" as const, args: { x, y, batch: 1, positions, channels: part } }
            : { kernel: "copy" as const, args: { x, y, n: part * positions } };
        });
      });
    },
  });
  lowering.define(value, output);
}
