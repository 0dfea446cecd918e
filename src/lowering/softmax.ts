import type { GraphNode } from "../graph/graph.js";
import { axisAttribute } from "../graph/operator/checks.js";
import type { Lowering } from "./context.js";
import { rowsAlong } from "./rows.js";

/** Softmax and LogSoftmax along any axis; up to version 12 of the operator along all axes from one on together. */
export function lowerSoftmax(lowering: Lowering, node: GraphNode): void {
  const { input, output, rows, width, finish } = rowsAlong(lowering, node, softmaxAxes(lowering, node));
  const kernel = node.op === "Softmax" ? "softmax_forward" : "log_softmax_forward";
  lowering.emit({
    name: node.name,
    op: node.op,
    algorithm: kernel.replace("_forward", ""),
    reads: [input],
    output,
    calls: (at) => [{ kernel, args: { x: at.of(input.buffer), y: at.of(output.buffer), rows, classes: width } }],
  });
  lowering.define(node.outputs[0]!, finish());
}

function softmaxAxes(lowering: Lowering, node: GraphNode): readonly number[] {
  const context = lowering.context(node);
  const rank = lowering.shapeOf(node.inputs[0]!).length;
  if (rank === 0) return [];
  if (context.version >= 13) return [axisAttribute(context, "axis", -1, rank)];
  // The axis may be the rank: nothing is left to normalize over.
  const stated = node.attributes["axis"];
  const axis = stated?.type === "int" && stated.value === rank ? rank : axisAttribute(context, "axis", 1, rank);
  return Array.from({ length: rank - axis }, (_, i) => axis + i);
}
