import type { Graph, GraphNode } from "../graph/graph.js";
import { readBySubgraphs } from "../graph/subgraphs.js";
import { consumersOf, producersOf } from "../graph/validate.js";

/** Who writes and who reads each value of a graph. */
export class Dataflow {
  readonly producers: ReadonlyMap<string, GraphNode>;
  /** Values that have to be there under their name, whatever is folded: the graph's outputs, and what control flow reads. */
  readonly wanted: ReadonlySet<string>;
  readonly #graph: Graph;
  readonly #consumers: ReadonlyMap<string, readonly GraphNode[]>;
  readonly #captured: ReadonlyMap<string, GraphNode>;
  readonly #outputs: ReadonlySet<string>;

  constructor(graph: Graph) {
    this.#graph = graph;
    this.producers = producersOf(graph);
    this.#consumers = consumersOf(graph);
    this.#captured = readBySubgraphs(graph);
    this.#outputs = new Set(graph.outputs.map(({ name }) => name));
    this.wanted = new Set([...this.#outputs, ...this.#captured.keys()]);
  }

  /** The node that reads a value, where it is one that reads it once and nothing else does. */
  onlyReader(value: string): GraphNode | undefined {
    const readers = this.#consumers.get(value) ?? [];
    const once = readers.length === 1 && readers[0].inputs.filter((input) => input === value).length === 1;
    return once && !this.wanted.has(value) ? readers[0] : undefined;
  }

  /** The nodes on the ways from a source to the output of `last`. */
  between(source: string, last: GraphNode): ReadonlySet<GraphNode> {
    const found = new Set([last]);
    for (const node of found) {
      for (const input of node.inputs) {
        const producer = this.producers.get(input);
        if (producer && input !== source && !this.#graph.initializers.has(input)) found.add(producer);
      }
    }
    return found;
  }

  /** A value that some of these nodes give and something else needs, and who; the value `output` excepted. */
  leak(nodes: ReadonlySet<GraphNode>, output: string): { readonly value: string; readonly reason: string } | undefined {
    for (const value of [...nodes].flatMap(({ outputs }) => outputs)) {
      if (value === output || value === "") continue;
      if (this.#outputs.has(value))
        return { value, reason: `the value "${value}" in between is an output of the graph` };
      const reader = this.#consumers.get(value)?.find((consumer) => !nodes.has(consumer)) ?? this.#captured.get(value);
      if (reader) {
        return { value, reason: `the value "${value}" in between is also read by ${reader.op} "${reader.name}"` };
      }
    }
    return undefined;
  }
}
