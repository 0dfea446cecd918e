import { decodeAttribute } from "../formats/onnx/model.js";
import type { AttributeProto, GraphProto } from "../formats/onnx/proto.js";
import { Names } from "./build.js";
import type { Graph, GraphNode } from "./graph.js";

/** Control flow keeps a graph in an attribute that we pass through and do not run. */
export function hasSubgraph(node: GraphNode): boolean {
  return Object.values(node.attributes).some((value) => value.type === "opaque");
}

/** Names that the subgraphs of control-flow nodes read, each with the node: values of the graph around them, and their own. */
export function readBySubgraphs({ nodes }: Graph): ReadonlyMap<string, GraphNode> {
  const readers = new Map<string, GraphNode>();
  for (const node of nodes) {
    for (const name of namesRead(subgraphsOf(node))) if (name !== "") readers.set(name, node); // absent operands are none
  }
  return readers;
}

/** The names of all values, those inside of subgraphs included, which no value of the graph around them may have: for finding new ones. */
export function valueNames({ inputs, initializers, nodes }: Pick<Graph, "inputs" | "initializers" | "nodes">): Names {
  return new Names([
    ...inputs.map(({ name }) => name),
    ...initializers.keys(),
    ...nodes.flatMap((node) => [...node.outputs, ...namesWritten(subgraphsOf(node))]),
  ]);
}

/** The graphs in a node's attributes: a Loop's or Scan's body, an If's branches. */
export function subgraphsOf(node: GraphNode): GraphProto[] {
  return Object.values(node.attributes).flatMap((value) =>
    value.type === "opaque" ? graphsIn(decodeAttribute(value.bytes)) : [],
  );
}

/** The graphs that an attribute holds. */
export const graphsIn = ({ g, graphs }: AttributeProto): GraphProto[] => (g ? [g, ...graphs] : [...graphs]);

/** The names of all values that graphs define, those inside of their own subgraphs included. */
export function namesWritten(graphs: readonly GraphProto[]): string[] {
  return graphs.flatMap(({ input, initializer, node }) => [
    ...[...input, ...initializer].map(({ name = "" }) => name),
    ...node.flatMap(({ output, attribute }) => [...output, ...namesWritten(attribute.flatMap(graphsIn))]),
  ]);
}

function namesRead(graphs: readonly GraphProto[]): string[] {
  return graphs.flatMap(({ node, output }) => [
    ...output.map(({ name = "" }) => name),
    ...node.flatMap(({ input, attribute }) => [...input, ...namesRead(attribute.flatMap(graphsIn))]),
  ]);
}
