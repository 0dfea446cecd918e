import type { GraphNode } from "../graph/graph.js";
import { permutation } from "../operators/transpose.js";
import type { Lowering } from "./context.js";
import { layoutWith, permuted, stepsOf } from "./strided.js";

/** Transpose: another name for the same memory where a layout holds the axes in the new order ([N, C, H, W] channels last as [N, H, W, C]). */
export function lowerTranspose(lowering: Lowering, node: GraphNode): void {
  const value = node.outputs[0]!;
  const tensor = lowering.tensor(node.inputs[0]!, node);
  const order = permutation(lowering.context(node), tensor.shape.length);
  const shape = order.map((axis) => tensor.shape[axis]!);
  const steps = stepsOf(tensor);
  const layout = layoutWith(
    shape,
    order.map((axis) => steps[axis]!),
  );
  lowering.define(
    value,
    layout ? { shape, layout, buffer: tensor.buffer } : permuted(lowering, node, tensor, order, value),
  );
}
