import type { NamedArray } from "../core/named-arrays.js";
import type { Analysis } from "./analyze/analyze.js";
import { analyze } from "./analyze/analyze.js";
import { int64, uniqueName } from "./build.js";
import { toNamedArray } from "./evaluate/tensor64.js";
import type { Graph, GraphNode } from "./graph.js";
import { readBySubgraphs } from "./subgraphs.js";

/**
 * Computes what does not depend on the input: nodes that read constants only become initializers (in float64, rounded once to their
 * own type), Shape chains over static sizes too. A Reshape whose target merely copies a dynamic size of its input ("batch") gets a
 * constant target, so that the chain that exporters leave before a classifier goes. A node of which one output has to keep its name (a
 * graph output) or is not computed stays, and with it all names that it defines.
 */
export function constantFolding(graph: Graph): Graph {
  const analysis = analyze(graph);
  const initializers = new Map(graph.initializers);
  const wanted = new Set([...graph.outputs.map(({ name }) => name), ...readBySubgraphs(graph).keys()]);
  const nodes: GraphNode[] = [];
  const kept = new Set<string>();
  for (const node of graph.nodes) {
    const written = node.outputs.filter((output) => output !== "");
    if (written.every((output) => analysis.constants.has(output) && !wanted.has(output))) continue;
    for (const output of written) kept.add(output);
    nodes.push(node.op === "Reshape" && node.domain === "" ? withConstantTarget(node, analysis, initializers) : node);
  }
  for (const node of nodes) {
    for (const input of node.inputs) {
      if (input === "" || initializers.has(input) || kept.has(input)) continue;
      const value = analysis.constants.get(input);
      if (value) initializers.set(input, toNamedArray(value));
    }
  }
  return { ...graph, nodes, initializers };
}

function withConstantTarget(node: GraphNode, analysis: Analysis, initializers: Map<string, NamedArray>): GraphNode {
  const [input, target] = node.inputs;
  if (initializers.has(target) || analysis.constants.has(target) || node.attributes.allowzero) return node;
  const shape = analysis.shapes.get(input);
  const wanted = analysis.contents.get(target);
  if (!shape || !wanted?.some((size) => typeof size === "string")) return node;
  const sizes = wanted.map((size, axis) => (typeof size === "string" && size === shape[axis] ? 0 : size));
  if (sizes.some((size) => typeof size === "string")) return node;
  const name = uniqueName(`${node.outputs[0]}.shape`, initializers);
  initializers.set(name, int64(sizes as number[]));
  return { ...node, inputs: [input, name] };
}
