import type { GraphNode } from "../../../graph/graph.js";
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
