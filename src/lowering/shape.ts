import type { GraphNode } from "../graph/graph.js";
import type { Lowering } from "./context.js";

/** The same value under another name. */
export function lowerIdentity(lowering: Lowering, node: GraphNode): void {
  lowering.define(node.outputs[0]!, lowering.tensor(node.inputs[0]!, node));
}

/** Flatten, Reshape, Squeeze, Unsqueeze: the same memory under another shape. */
export function lowerReshape(lowering: Lowering, node: GraphNode): void {
  const value = node.outputs[0]!;
  const shape = lowering.shapeOf(value);
  const tensor = lowering.tensor(node.inputs[0]!, node);
  const { buffer, layout } = keepsChannels(tensor.shape, shape) ? tensor : lowering.rowMajor(tensor);
  lowering.define(value, { shape, layout, buffer });
}

/** Only positions are joined or split ([N, C, H, W] and [N, C, H · W]): channels may stay last. */
function keepsChannels(from: readonly number[], to: readonly number[]): boolean {
  return from.length > 2 && to.length > 2 && from[0] === to[0] && from[1] === to[1];
}
