import { flagAttribute, intAttribute } from "../graph/attributes.js";
import { node as makeNode } from "../graph/build.js";
import type { Graph, GraphNode } from "../graph/graph.js";
import { nodeContext } from "../graph/operator/node-context.js";
import { producersOf } from "../graph/validate.js";
import { namedAxes } from "../operators/reduce.js";
import { insertedAxes } from "../operators/reshape.js";

/**
 * The graph with each sum or mean over a new axis, along which values were stacked (Unsqueeze of each, Concat, ReduceSum or ReduceMean, as
 * `torch.stack(…).sum(…)` is written), as the Sum or Mean that it is.
 */
export function withoutStackedSums(graph: Graph): Graph {
  const producers = producersOf(graph);
  const nodes = graph.nodes.map((node) => {
    const terms = stackedTerms(node, graph, producers);
    return terms ? makeNode(node.op === "ReduceSum" ? "Sum" : "Mean", node.name, terms, node.outputs) : node;
  });
  return nodes.some((node, i) => node !== graph.nodes[i]) ? { ...graph, nodes } : graph;
}

/** What a node sums over an axis that nothing else has; undefined for any other node. */
export function stackedTerms(
  node: GraphNode,
  graph: Graph,
  producers: ReadonlyMap<string, GraphNode>,
): string[] | undefined {
  if (node.domain !== "" || (node.op !== "ReduceSum" && node.op !== "ReduceMean")) return undefined;
  const stack = producers.get(node.inputs[0]);
  if (stack?.op !== "Concat" || stack.domain !== "" || flagAttribute(node, "keepdims", true)) return undefined;
  const parts = stack.inputs.map((part) => producers.get(part));
  if (!parts.every((part) => part?.op === "Unsqueeze" && part.domain === "")) return undefined;
  const axis = intAttribute(stack, "axis", 1);
  // Axes that count from the end would depend on the rank.
  const same = [node, ...parts].every((each) => {
    const own = nodeContext(each!, { constants: graph.initializers });
    const axes = own && (own.node.op === "Unsqueeze" ? insertedAxes(own) : namedAxes(own));
    return axes?.length === 1 && axes[0] === axis && axis >= 0;
  });
  return same ? parts.map((part) => part!.inputs[0]) : undefined;
}
