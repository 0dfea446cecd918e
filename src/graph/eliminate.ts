import type { NamedArray } from "../core/named-arrays.js";
import { toFloat64 } from "../core/named-arrays.js";
import { dropoutPasses } from "../operators/dropout.js";
import { type Analysis, type AnalyzeOptions, analyze } from "./analyze/analyze.js";
import { attribute } from "./attributes.js";
import type { Graph, GraphNode } from "./graph.js";
import { nodeContext } from "./operator/node-context.js";
import { hasSubgraph, readBySubgraphs } from "./subgraphs.js";

/** Without the nodes whose outputs nothing reads, and without the initializers that no remaining node reads. */
export function eliminateDead(graph: Graph): Graph {
  const needed = new Set([...graph.outputs.map(({ name }) => name), ...readBySubgraphs(graph).keys()]);
  const kept: GraphNode[] = [];
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((output) => needed.has(output)) && !hasSubgraph(node)) continue;
    kept.push(node);
    for (const input of node.inputs) needed.add(input);
  }
  const initializers = new Map([...graph.initializers].filter(([name]) => needed.has(name)));
  if (kept.length === graph.nodes.length && initializers.size === graph.initializers.size) return graph;
  return { ...graph, nodes: kept.reverse(), initializers };
}

/**
 * Without nodes that do nothing in inference: Identity, Dropout, Cast to the type that a value has, Reshape and Expand to the shape that it
 * has, Pad by nothing. Their readers read their input.
 * A node whose output is a graph output, or read inside control flow, stays, since that name has to be written.
 */
export function eliminateNoOps(graph: Graph, options: AnalyzeOptions = {}): Graph {
  const outputs = new Set([...graph.outputs.map(({ name }) => name), ...readBySubgraphs(graph).keys()]);
  const analysis = analyze(graph, options);
  const renamed = new Map<string, string>();
  const nodes: GraphNode[] = [];
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((input) => renamed.get(input) ?? input);
    if (isNoOp(node, graph.initializers, analysis) && !node.outputs.some((output) => outputs.has(output))) {
      renamed.set(node.outputs[0], inputs[0]);
    } else {
      nodes.push(inputs.some((input, i) => input !== node.inputs[i]) ? { ...node, inputs } : node);
    }
  }
  return renamed.size === 0 ? graph : { ...graph, nodes };
}

/** A node that gives its first input on, whatever that is. */
export function isNoOp(node: GraphNode, constants: ReadonlyMap<string, NamedArray>, analysis: Known): boolean {
  if (node.domain !== "" || node.outputs.slice(1).some((output) => output !== "")) return false;
  return noOps.get(node.op)?.(node, constants, analysis) ?? false;
}

type Known = Pick<Analysis, "shapes" | "dtypes">;
type DoesNothing = (node: GraphNode, constants: ReadonlyMap<string, NamedArray>, known: Known) => boolean;

const keepsShape: DoesNothing = ({ inputs, outputs }, _, { shapes }) => {
  const [from, to] = [inputs[0], outputs[0]].map((name) => shapes.get(name));
  return from !== undefined && to !== undefined && JSON.stringify(from) === JSON.stringify(to);
};

/** Operators of which some nodes do nothing, and which those are. */
export const noOps: ReadonlyMap<string, DoesNothing> = new Map<string, DoesNothing>([
  [
    "Cast",
    ({ inputs, outputs }, _, { dtypes }) => {
      const [from, to] = [inputs[0], outputs[0]].map((name) => dtypes.get(name));
      return from !== undefined && from === to;
    },
  ],
  ["Dropout", passesInInference],
  ["Expand", keepsShape],
  ["Identity", () => true],
  [
    "Pad",
    (node, constants) => {
      const pads = attribute(node, "pads", "ints");
      return pads ? pads.every((p) => p === 0) : isAll(constants.get(node.inputs[1]), 0);
    },
  ],
  ["Reshape", keepsShape],
]);

function passesInInference(node: GraphNode, constants: ReadonlyMap<string, NamedArray>): boolean {
  const context = nodeContext(node, { constants });
  return context !== undefined && dropoutPasses(context) === true;
}

function isAll(array: NamedArray | undefined, value: number): boolean {
  return array !== undefined && toFloat64(array).every((x) => x === value);
}
