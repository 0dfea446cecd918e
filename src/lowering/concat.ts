import type { GraphNode } from "../graph/graph.js";
import { concatAxis } from "../operators/concat.js";
import type { Lowering } from "./context.js";
import { operandOf } from "./operands.js";
import { type Copy, emitCopies, stepsOf } from "./strided.js";

/**
 * Concat along any axis: each operand, computed or constant, becomes a part of the result. Channels last where one of them is, or channels
 * are joined, since convolutions want them so.
 */
export function lowerConcat(lowering: Lowering, node: GraphNode): void {
  const value = node.outputs[0]!;
  const shape = lowering.shapeOf(value);
  const axis = concatAxis(lowering.context(node), shape.length);
  const { constants } = lowering.graph;
  // A constant without elements adds nothing, and its memory is nobody's.
  const parts = node.inputs.filter((name) => !constants.get(name)?.shape.includes(0));
  const computed = parts.filter((name) => !constants.has(name)).map((name) => lowering.tensor(name, node));
  const channelsLast = shape.length > 2 && (axis === 1 || computed.some((tensor) => tensor.layout === "channels-last"));
  const output = channelsLast ? lowering.create(value, shape) : lowering.createRowMajor(value, shape);
  const written = stepsOf(output);
  let place = 0;
  const copies = parts.map((name): Copy => {
    const operand = constants.has(name) ? operandOf(lowering, node, name, shape.length, channelsLast) : undefined;
    const source = operand?.source ?? lowering.tensor(name, node);
    const own = operand?.shape ?? lowering.tensor(name, node).shape;
    const read = stepsOf(
      "buffer" in source ? source : { shape: own, layout: channelsLast ? "channels-last" : "row-major" },
    );
    const axes = own.map((size, a) => ({ size, from: read[a]!, to: written[a]! }));
    const to = place * written[axis]!;
    place += own[axis]!;
    return { source, axes, to };
  });
  lowering.define(value, emitCopies(lowering, node, output, copies));
}
