import type { Graph } from "../../graph/graph.js";
export function shapesOf(
  _graph: Graph,
  _s: Readonly<Record<string, readonly number[]>>,
): ReadonlyMap<string, readonly number[]> {
  return new Map();
}
