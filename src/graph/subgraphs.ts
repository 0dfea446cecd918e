import { decodeAttribute } from "../formats/onnx/model.js";
import type { GraphProto } from "../formats/onnx/proto.js";
import type { Graph, GraphNode } from "./graph.js";

/** Control flow keeps a graph in an attribute that we pass through and do not run. */
export function hasSubgraph(node: GraphNode): boolean {
  return Object.values(node.attributes).some((value) => value.type === "opaque");
}

/** Names that the subgraphs of control-flow nodes read, each with the node: values of the graph around them, and their own. */
export function readBySubgraphs({ nodes }: Graph): ReadonlyMap<string, GraphNode> {
  const readers = new Map<string, GraphNode>();
  for (const node of nodes) {
    for (const value of Object.values(node.attributes)) {
      if (value.type !== "opaque") continue;
      const { g, graphs } = decodeAttribute(value.bytes);
      for (const name of namesIn(g ? [g, ...graphs] : graphs)) readers.set(name, node);
    }
  }
  return readers;
}

function namesIn(graphs: readonly GraphProto[]): string[] {
  return graphs.flatMap(({ node, output }) => [
    ...output.map(({ name = "" }) => name),
    ...node.flatMap(({ input, attribute }) => [
      ...input,
      ...attribute.flatMap(({ g, graphs: inner }) => namesIn(g ? [g, ...inner] : inner)),
    ]),
  ]);
}
