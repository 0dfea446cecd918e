import { node as makeNode, uniqueName } from "../../graph/build.js";
import { eliminateDead } from "../../graph/eliminate.js";
import type { Graph, GraphNode } from "../../graph/graph.js";
import { producersOf } from "../../graph/validate.js";

/** One of the terms that a block sums. */
export interface Branch {
  readonly kind: "k×k" | "1×1" | "identity" | "pool";
  /** Its last node, or the block's input itself. */
  readonly name: string;
  /** The block without this branch. */
  readonly removed: Graph;
  /** The block with nothing but this branch; what follows the sum is still there. */
  readonly alone: Graph;
}

/** The branches of a block's outermost sum (nested sums taken apart); none where the block has one branch only. */
export function branchesOf(region: Graph): Branch[] {
  const producers = producersOf(region);
  const top = outermostSum(region, producers);
  if (!top) return [];
  const terms = termsOf(top, region, producers, 1);
  return terms.map((term) => ({
    kind: kindOf(term.value, region, producers),
    name: producers.get(term.value)?.name ?? term.value,
    removed: withTerms(
      region,
      top,
      terms.filter((other) => other !== term),
    ),
    alone: withTerms(region, top, [term]),
  }));
}

interface Term {
  readonly value: string;
  readonly sign: number;
}

type Producers = ReadonlyMap<string, GraphNode>;

function outermostSum(region: Graph, producers: Producers): GraphNode | undefined {
  let node = producers.get(region.outputs[0].name);
  while (node && !isSum(node, region)) {
    const [input] = node.inputs.filter((name) => producers.has(name));
    node = input === undefined ? undefined : producers.get(input);
  }
  return node;
}

function isSum({ op, inputs }: GraphNode, region: Graph): boolean {
  return (
    ["Add", "Sub", "Sum"].includes(op) && inputs.length > 1 && inputs.every((name) => !region.initializers.has(name))
  );
}

function termsOf(node: GraphNode, region: Graph, producers: Producers, sign: number): Term[] {
  return node.inputs.flatMap((value, at) => {
    const own = node.op === "Sub" && at === 1 ? -sign : sign;
    const inner = producers.get(value);
    return inner && isSum(inner, region) ? termsOf(inner, region, producers, own) : [{ value, sign: own }];
  });
}

/** The region with its outermost sum replaced by the sum of some of its terms. */
function withTerms(region: Graph, top: GraphNode, terms: readonly Term[]): Graph {
  const taken = new Set(region.nodes.flatMap(({ name, outputs }) => [name, ...outputs]));
  const negations: GraphNode[] = [];
  const inputs = terms.map(({ value, sign }) => {
    if (sign > 0) return value;
    const name = uniqueName(`${value}.negated`, taken);
    taken.add(name);
    negations.push(makeNode("Neg", name, [value], [name]));
    return name;
  });
  const sum = makeNode(inputs.length === 1 ? "Identity" : "Sum", top.name, inputs, top.outputs);
  return eliminateDead({
    ...region,
    nodes: region.nodes.flatMap((node) => (node === top ? [...negations, sum] : [node])),
  });
}

function kindOf(value: string, region: Graph, producers: Producers): Branch["kind"] {
  let kind: Branch["kind"] = "identity";
  const waiting = [value];
  for (const name of waiting) {
    const node = producers.get(name);
    if (!node) continue;
    if (node.op === "Conv") {
      const size = region.initializers.get(node.inputs[1])?.shape.slice(2) ?? [];
      if (size.some((k) => k > 1)) return "k×k";
      if (kind === "identity") kind = "1×1";
    } else if (node.op === "AveragePool") kind = "pool";
    waiting.push(...node.inputs);
  }
  return kind;
}
