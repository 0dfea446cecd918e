import type { NamedArray } from "../../core/named-arrays.js";
import type { Graph, GraphNode } from "../../graph/graph.js";

/**
 * A graph as the planner reads it: no Constant nodes, no nodes that do nothing, none that nobody needs; operators
 * outside the default domain have it in their name.
 */
export interface PreparedGraph {
  readonly nodes: readonly GraphNode[];
  readonly constants: ReadonlyMap<string, NamedArray>;
  /** Value that stands for each wanted value (another name where an Identity gave it). */
  resolve(value: string): string;
  /** How often each value is read, by nodes and as a wanted value. */
  readonly uses: ReadonlyMap<string, number>;
  readonly producer: ReadonlyMap<string, GraphNode>;
}

const passThrough = new Set(["Identity", "Dropout"]);

/** @param wanted the values that the plan must give. */
export function prepare(graph: Graph, wanted: readonly string[]): PreparedGraph {
  const constants = new Map(graph.initializers);
  const renamed = new Map<string, string>();
  const resolve = (value: string): string => renamed.get(value) ?? value;
  const nodes: GraphNode[] = [];
  for (const node of graph.nodes) {
    const value = node.attributes.value;
    if (node.op === "Constant" && value?.type === "tensor") {
      constants.set(node.outputs[0]!, value.value);
    } else if (passThrough.has(node.op)) {
      const source = resolve(node.inputs[0]!);
      renamed.set(node.outputs[0]!, source);
      const constant = constants.get(source);
      if (constant) constants.set(node.outputs[0]!, constant);
    } else {
      const standard = node.domain === "" || node.domain === "ai.onnx";
      nodes.push({ ...node, op: standard ? node.op : `${node.domain}.${node.op}`, inputs: node.inputs.map(resolve) });
    }
  }

  const needed = new Set(wanted.map(resolve));
  const uses = new Map<string, number>();
  const use = (value: string): void => void uses.set(value, (uses.get(value) ?? 0) + 1);
  for (const value of wanted) use(resolve(value));
  const live: GraphNode[] = [];
  for (const node of nodes.toReversed()) {
    if (!node.outputs.some((output) => needed.has(output))) continue;
    live.push(node);
    for (const input of node.inputs) {
      if (input === "" || constants.has(input)) continue;
      needed.add(input);
      use(input);
    }
  }
  live.reverse();
  const producer = new Map(live.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  return { nodes: live, constants, resolve, uses, producer };
}
