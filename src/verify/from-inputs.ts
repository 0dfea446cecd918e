import type { Graph } from "../graph/graph.js";
import { graphInputs } from "../graph/graph-inputs.js";
import { hasSubgraph } from "../graph/subgraphs.js";

/** Operators that look at a value's sizes only. */
const sizesOnly = new Set(["Shape", "Size"]);

/** Values that are computed from the numbers in the graph's inputs, not from constants and sizes alone. */
export function computedFromInputs(graph: Graph): ReadonlySet<string> {
  const reached = new Set(graphInputs(graph).map(({ name }) => name));
  for (const node of graph.nodes) {
    const { op, domain, inputs, outputs } = node;
    if (domain === "" && sizesOnly.has(op)) continue;
    // What a subgraph reads does not stand among its node's inputs.
    if (hasSubgraph(node) || inputs.some((input) => reached.has(input)))
      for (const output of outputs) reached.add(output);
  }
  return reached;
}
