import { UserError } from "../core/errors.js";
import type { Graph } from "../graph/graph.js";
import { graphInputs } from "../graph/graph-inputs.js";

/** @throws UserError for a graph without outputs: nothing of it is needed, and nothing of it can be compared. */
export function requireOutputs(graph: Graph): void {
  if (graph.outputs.length > 0) return;
  throw new UserError({
    expected: "a net with outputs",
    received: `"${graph.name}", which has none`,
    remedy: "list them in its graph: without any, nothing can be folded or compared",
  });
}

/** Whether a graph takes nothing: its outputs are always the same. */
export function isConstant(graph: Graph): boolean {
  return graphInputs(graph).length === 0;
}
