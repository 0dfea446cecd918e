import { elementCount } from "../core/named-arrays.js";
import { inferShapes } from "../graph/analyze/analyze.js";
import type { Graph } from "../graph/graph.js";

/**
 * About how many steps the naive evaluator takes to run a graph whose inputs have sizes: multiply-accumulates of convolutions and matrix
 * products, one step for each number of other values. Infinite where a value's size cannot be told.
 */
export function evaluationCost(graph: Graph): number {
  const values = inferShapes(graph);
  const count = (name: string): number => {
    const shape = values.get(name)?.shape;
    if (!shape?.every((size) => typeof size === "number")) return Number.POSITIVE_INFINITY;
    return elementCount(shape as number[]);
  };
  let total = 0;
  for (const { op, domain, inputs, outputs } of graph.nodes) {
    const numbers = outputs.reduce((sum, name) => sum + (name === "" ? 0 : count(name)), 0);
    const weight = values.get(inputs[1] ?? "")?.shape as readonly number[] | undefined;
    if (domain === "" && op === "Conv" && weight) total += (numbers * elementCount(weight)) / (weight[0] || 1);
    else if (domain === "" && op === "ConvTranspose" && weight) {
      total += (count(inputs[0]) * elementCount(weight)) / (weight[0] || 1);
    } else if (domain === "" && (op === "MatMul" || op === "Gemm")) {
      const rows = values.get(inputs[0])?.shape?.at(-1);
      total += numbers * (typeof rows === "number" ? rows : Number.POSITIVE_INFINITY);
    } else total += numbers;
  }
  return total;
}
