import { type Tensor64, toNamedArray, toTensor64 } from "../evaluate/tensor64.js";
import type { GraphNode } from "../graph.js";

/** Functions that jump: the last bit of their operand can decide. */
const steps: ReadonlySet<string> = new Set(["Round", "Floor", "Ceil", "QuantizeLinear", "DynamicQuantizeLinear"]);

/**
 * Whether a graph has operators that jump. Such a graph is computed in its own precision, each result rounded once, since a number that
 * float64 sees beside a step may lie on it in float32.
 */
export function hasSteps(nodes: readonly GraphNode[]): boolean {
  return nodes.some(({ op, domain }) => domain === "" && steps.has(op));
}

/** The value as its element type holds it. */
export function roundedToType(x: Tensor64): Tensor64 {
  return x.dtype === "f32" || x.dtype === "f16" || x.dtype === "bf16" ? toTensor64(toNamedArray(x)) : x;
}
