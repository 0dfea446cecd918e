import type { GraphNode } from "../graph/graph.js";
import type { Lowering } from "./context.js";
import { broadcastOf, type Operand, sizes, steps } from "./operands.js";
import { placeOf } from "./strided.js";

/** Where: of two operands the first where the condition holds, else the second; all three broadcast. */
export function lowerWhere(lowering: Lowering, node: GraphNode): void {
  const value = node.outputs[0]!;
  const shape = lowering.shapeOf(value);
  const { operands, channelsLast, axes } = broadcastOf(lowering, node, node.inputs, shape);
  const [c, a, b] = operands as [Operand, Operand, Operand];
  const output = channelsLast ? lowering.create(value, shape) : lowering.createRowMajor(value, shape);
  const tensors = operands.flatMap(({ source }) => ("buffer" in source ? [source] : []));
  lowering.emit({
    name: node.name,
    op: node.op,
    algorithm: "select",
    reads: tensors,
    output,
    mayOverwrite: tensors.filter((tensor) => `${tensor.shape}` === `${shape}`),
    constants: operands.flatMap(({ source }) => ("buffer" in source ? [] : [source])),
    calls: (at) => {
      const [cAt, aAt, bAt] = [c, a, b].map(({ source }) => placeOf(source, at)) as [number, number, number];
      return [
        {
          kernel: "select_forward",
          args: {
            ...{ c: cAt, a: aAt, b: bAt, y: at.of(output.buffer) },
            ...sizes(axes),
            ...steps(axes, "c", 0),
            ...steps(axes, "a", 1),
            ...steps(axes, "b", 2),
          },
        },
      ];
    },
  });
  lowering.define(value, output);
}
