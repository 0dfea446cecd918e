import type { Graph, GraphNode } from "../graph/graph.js";
import type { Dataflow } from "./dataflow.js";

/** What a chain adds or subtracts. */
export interface Term {
  readonly value: string;
  readonly sign: 1 | -1;
}

/** Additions and subtractions of which each but the last is read by the next one only: ±t₁ ± t₂ ± … in any order. */
export interface SumChain {
  /** In graph order; the last gives the sum. */
  readonly nodes: readonly GraphNode[];
  /** In reading order; at least one is added. */
  readonly terms: readonly Term[];
}

/** Longer chains are left as they are: nobody writes them, and grouping looks at pairs. */
const mostTerms = 64;

/** The chains of at least three terms. */
export function sumChains(graph: Graph, flow: Dataflow): SumChain[] {
  const position = new Map(graph.nodes.map((node, i) => [node, i]));
  const inner = (value: string): GraphNode | undefined => {
    const producer = flow.producers.get(value);
    return producer && isSum(producer) && flow.onlyReader(value) ? producer : undefined;
  };
  return graph.nodes.flatMap((root) => {
    const reader = flow.onlyReader(root.outputs[0]);
    if (!isSum(root) || (reader && isSum(reader))) return [];
    const nodes: GraphNode[] = [];
    const terms: Term[] = [];
    const open: { value: string; sign: Term["sign"]; node: GraphNode | undefined }[] = [
      { value: root.outputs[0], sign: 1, node: root },
    ];
    for (let part = open.pop(); part; part = open.pop()) {
      const { value, sign, node } = part;
      if (!node) {
        terms.push({ value, sign });
        continue;
      }
      nodes.push(node);
      const parts = node.inputs.map((input, i) => ({
        value: input,
        sign: node.op === "Sub" && i === 1 ? (-sign as Term["sign"]) : sign,
        node: inner(input),
      }));
      open.push(...parts.reverse());
    }
    if (terms.length < 3 || terms.length > mostTerms) return [];
    return [{ nodes: nodes.sort((a, b) => position.get(a)! - position.get(b)!), terms }];
  });
}

function isSum({ op, domain, inputs }: GraphNode): boolean {
  return (
    domain === "" && ["Add", "Sub", "Sum"].includes(op) && inputs.length > 0 && inputs.every((name) => name !== "")
  );
}
