import { UserError } from "../core/errors.js";
import type { Graph, GraphNode } from "./graph.js";

/**
 * Checks what every pass relies on: node names and value names are unique, and every value is written before it is read.
 * @throws UserError that names the node and the value, and tells a cycle from a wrong order and a missing value.
 */
export function validate(graph: Graph): void {
  const defined = new Set<string>(graph.initializers.keys());
  for (const input of graph.inputs) defined.add(input.name); // old ONNX lists initializers as inputs too
  const names = new Set<string>();
  const producers = producersOf(graph);
  for (const node of graph.nodes) {
    if (names.has(node.name)) {
      throw new UserError({ expected: "unique node names", received: `two nodes "${node.name}"` });
    }
    names.add(node.name);
    for (const input of node.inputs) {
      if (input !== "" && !defined.has(input)) throw missingValue(node, input, producers);
    }
    for (const output of node.outputs) {
      if (output === "") continue;
      if (defined.has(output)) {
        throw new UserError({
          expected: "every value to be written once",
          received: `"${output}", written again by ${node.op} "${node.name}"`,
        });
      }
      defined.add(output);
    }
  }
  for (const { name } of graph.outputs) {
    if (!defined.has(name)) {
      throw new UserError({
        expected: "every graph output to be written by a node",
        received: `"${name}", which none writes`,
      });
    }
  }
}

function missingValue(node: GraphNode, input: string, producers: ReadonlyMap<string, GraphNode>): UserError {
  const producer = producers.get(input);
  const reader = `${node.op} "${node.name}"`;
  if (!producer) {
    return new UserError({
      expected: `input "${input}" of ${reader} to exist`,
      received: "a graph in which nothing writes it",
    });
  }
  const what = dependsOn(producer, node, producers)
    ? `a cycle: "${producer.name}" also depends on "${node.name}"`
    : `it written later, by ${producer.op} "${producer.name}"`;
  return new UserError({
    expected: `input "${input}" of ${reader} to be written before it is read`,
    received: what,
    remedy: "put the nodes in an order in which values are written before they are read",
  });
}

function dependsOn(from: GraphNode, target: GraphNode, producers: ReadonlyMap<string, GraphNode>): boolean {
  const seen = new Set<GraphNode>([from]);
  const open = [from];
  for (let node = open.pop(); node; node = open.pop()) {
    if (node === target) return true;
    for (const input of node.inputs) {
      const producer = producers.get(input);
      if (producer && !seen.has(producer)) {
        seen.add(producer);
        open.push(producer);
      }
    }
  }
  return false;
}

/** The node that writes each value. */
export function producersOf(graph: Graph): Map<string, GraphNode> {
  const producers = new Map<string, GraphNode>();
  for (const node of graph.nodes) {
    for (const output of node.outputs) if (output !== "") producers.set(output, node);
  }
  return producers;
}

/** The nodes that read each value, each once. */
export function consumersOf(graph: Graph): Map<string, GraphNode[]> {
  const consumers = new Map<string, GraphNode[]>();
  for (const node of graph.nodes) {
    for (const input of new Set(node.inputs)) {
      if (input === "") continue;
      const list = consumers.get(input);
      if (list) list.push(node);
      else consumers.set(input, [node]);
    }
  }
  return consumers;
}
