import { f32, toFloat64 } from "../core/named-arrays.js";
import { flagAttribute, intAttribute, stringAttribute } from "../graph/attributes.js";
import { node as makeNode, Names } from "../graph/build.js";
import type { Graph, GraphNode } from "../graph/graph.js";
import { nodeContext } from "../graph/operator/node-context.js";
import { valueNames } from "../graph/subgraphs.js";
import { producersOf } from "../graph/validate.js";
import { namedAxes } from "../operators/reduce.js";
import { insertedAxes } from "../operators/reshape.js";

/** Operators that sum over an axis, and what they are where values were stacked along it. */
export const stacking: Readonly<Record<string, "Sum" | "Mean">> = {
  Einsum: "Sum",
  ReduceMean: "Mean",
  ReduceSum: "Sum",
};

/** What is summed over an axis along which values were stacked. */
export interface StackedSum {
  readonly op: "Sum" | "Mean";
  readonly terms: readonly string[];
  /** What each term is multiplied by, in float32; none where all are 1. */
  readonly factors?: readonly number[];
}

/**
 * The graph with each sum or mean over a new axis, along which values were stacked (Unsqueeze of each, Concat, ReduceSum or ReduceMean, as
 * `torch.stack(…).sum(…)` is written; or Einsum with a constant vector, which weighs them), as the Sum or Mean that it is.
 */
export function withoutStackedSums(graph: Graph): Graph {
  const producers = producersOf(graph);
  const initializers = new Map(graph.initializers);
  const values = valueNames(graph);
  const names = new Names(graph.nodes.map(({ name }) => name));
  const nodes = graph.nodes.flatMap((node) => {
    const sum = stackedSum(node, graph, producers);
    if (!sum) return [node];
    const { op, terms, factors } = sum;
    const scales = terms.map((term, i): GraphNode | string => {
      if (!factors) return term;
      const [output, factor] = [values.take(`${node.outputs[0]}.${i}`), values.take(`${node.outputs[0]}.${i}.factor`)];
      initializers.set(factor, f32([], Float32Array.of(factors[i])));
      return makeNode("Mul", names.take(output), [term, factor], [output]);
    });
    const inputs = scales.map((scale) => (typeof scale === "string" ? scale : scale.outputs[0]));
    return [...scales.filter((scale) => typeof scale !== "string"), makeNode(op, node.name, inputs, node.outputs)];
  });
  return nodes.some((node, i) => node !== graph.nodes[i]) ? { ...graph, nodes, initializers } : graph;
}

/** What a node sums over an axis that nothing else has; undefined for any other node. */
export function stackedSum(
  node: GraphNode,
  graph: Graph,
  producers: ReadonlyMap<string, GraphNode>,
): StackedSum | undefined {
  if (node.domain !== "" || !Object.hasOwn(stacking, node.op)) return undefined;
  if (node.op === "Einsum") return weightedSum(node, graph, producers);
  if (flagAttribute(node, "keepdims", true)) return undefined;
  const own = nodeContext(node, { constants: graph.initializers });
  const axes = own && namedAxes(own);
  const terms = axes?.length === 1 ? stackedAlong(node.inputs[0], axes[0], graph, producers) : undefined;
  return terms && { op: stacking[node.op], terms };
}

/** Equations of a vector and a value: its label, the value's labels, those of the sum, as "k,knchw->nchw". An ellipsis would need a rank. */
const weighing = /^(?:([a-z]),([a-z]+)|([a-z]+),([a-z]))->([a-z]+)$/i;

/** Einsum of a constant vector and a stack. */
function weightedSum(node: GraphNode, graph: Graph, producers: ReadonlyMap<string, GraphNode>): StackedSum | undefined {
  const found = weighing.exec(stringAttribute(node, "equation", "").replaceAll(" ", ""));
  if (!found || node.inputs.length !== 2) return undefined;
  const [, first, behind, before, last, sum] = found;
  const [place, label, stacked] = first ? [0, first, behind] : [1, last, before];
  const weights = graph.initializers.get(node.inputs[place]);
  const axis = stacked.indexOf(label);
  const rest = stacked.replace(label, "");
  if (weights?.dtype !== "f32" || axis < 0 || rest !== sum || new Set(stacked).size !== stacked.length)
    return undefined;
  const terms = stackedAlong(node.inputs[1 - place], axis, graph, producers);
  const factors = Array.from(toFloat64(weights));
  return terms?.length === factors.length && weights.shape.length === 1 ? { op: "Sum", terms, factors } : undefined;
}

/** The values that a Concat stacks along an axis which each of them was given for it. */
function stackedAlong(
  value: string,
  axis: number,
  graph: Graph,
  producers: ReadonlyMap<string, GraphNode>,
): readonly string[] | undefined {
  const stack = producers.get(value);
  // Axes that count from the end would depend on the rank.
  if (stack?.op !== "Concat" || stack.domain !== "" || axis < 0 || intAttribute(stack, "axis", 1) !== axis)
    return undefined;
  const parts = stack.inputs.map((part) => producers.get(part));
  const same = parts.every((part) => {
    const own = part && nodeContext(part, { constants: graph.initializers });
    const axes = own && part.op === "Unsqueeze" && part.domain === "" ? insertedAxes(own) : undefined;
    return axes?.length === 1 && axes[0] === axis;
  });
  return same ? parts.map((part) => part!.inputs[0]) : undefined;
}
