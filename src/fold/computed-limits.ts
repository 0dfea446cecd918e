import { toFloat64 } from "../core/named-arrays.js";
import type { Analysis } from "../graph/analyze/analyze.js";
import { analyze } from "../graph/analyze/analyze.js";
import { intAttribute } from "../graph/attributes.js";
import { int64 } from "../graph/build.js";
import type { Dimension, Graph, GraphNode } from "../graph/graph.js";
import { valueNames } from "../graph/subgraphs.js";
import { producersOf } from "../graph/validate.js";

/** An element of a vector of sizes: a size that is open, by name, and what is added to it. */
interface Element {
  readonly size: string | undefined;
  readonly plus: number;
}

/** What an exporter takes for "to the end". */
const toTheEnd = Number.MAX_SAFE_INTEGER;

/** Chains of Shape, Gather, Sub … that are longer are not followed. */
const deepest = 16;

/**
 * The graph with Slices that begin or end at the size of their own axis less a constant (`x[:, :, 1:h - 1]`, `narrow`), which exporters
 * compute from Shape, as Slices with constants that count from the end.
 * They are the same wherever that size is not smaller than the constant.
 */
export function withConstantLimits(graph: Graph): Graph {
  const computed = graph.nodes.filter((node) => isComputed(node, graph));
  if (computed.length === 0) return graph;
  const analysis = analyze(graph, { shapesOnly: true });
  const producers = producersOf(graph);
  const initializers = new Map(graph.initializers);
  const names = valueNames(graph);
  const nodes = graph.nodes.map((node) => {
    if (!computed.includes(node)) return node;
    const inputs = node.inputs.map((input, place) => {
      const limits = constantLimits(node, place, graph, analysis, producers);
      if (!limits) return input;
      const name = names.take(`${node.outputs[0]}.${place === 1 ? "starts" : "ends"}`);
      initializers.set(name, int64(limits));
      return name;
    });
    return inputs.some((input, i) => input !== node.inputs[i]) ? { ...node, inputs } : node;
  });
  return { ...graph, nodes, initializers };
}

const isComputed = ({ op, domain, inputs }: GraphNode, { initializers }: Graph): boolean =>
  op === "Slice" && domain === "" && inputs.slice(1, 3).some((name) => name !== "" && !initializers.has(name));

/** A Slice's computed starts (`place` 1) or ends (2) as constants that count from the end; undefined where they are no such. */
export function constantLimits(
  node: GraphNode,
  place: number,
  graph: Graph,
  analysis: Pick<Analysis, "shapes" | "contents">,
  producers: ReadonlyMap<string, GraphNode>,
): number[] | undefined {
  const name = node.inputs[place] ?? "";
  if (node.op !== "Slice" || (place !== 1 && place !== 2) || name === "" || graph.initializers.has(name))
    return undefined;
  const shape = analysis.shapes.get(node.inputs[0]);
  const elements = elementsOf(name, graph, analysis, producers, deepest);
  const given = node.inputs[3] ? graph.initializers.get(node.inputs[3]) : undefined;
  if (!shape || !elements || (node.inputs[3] && !given)) return undefined;
  const axes = given ? Array.from(toFloat64(given)) : elements.map((_, i) => i);
  const limits = elements.map(({ size, plus }, i) => {
    if (size === undefined) return plus;
    const axis = axes[i] < 0 ? axes[i] + shape.length : axes[i];
    if (shape[axis] !== size || plus > 0) return undefined;
    if (plus < 0) return plus;
    return place === 2 ? toTheEnd : undefined;
  });
  return limits.every((limit) => limit !== undefined) ? (limits as number[]) : undefined;
}

function elementsOf(
  name: string,
  graph: Graph,
  analysis: Pick<Analysis, "shapes" | "contents">,
  producers: ReadonlyMap<string, GraphNode>,
  depth: number,
): readonly Element[] | undefined {
  const constant = graph.initializers.get(name);
  if (constant) {
    return constant.shape.length <= 1
      ? Array.from(toFloat64(constant), (plus) => ({ size: undefined, plus }))
      : undefined;
  }
  const known = analysis.contents.get(name);
  if (known) return known.map(elementOf);
  const node = producers.get(name);
  if (node?.domain !== "" || depth === 0) return undefined;
  const of = (input: number) => elementsOf(node.inputs[input], graph, analysis, producers, depth - 1);
  switch (node.op) {
    case "Cast":
    case "Identity":
    case "Reshape":
    case "Squeeze":
    case "Unsqueeze":
      return of(0);
    case "Concat": {
      const parts = node.inputs.map((_, i) => of(i));
      return parts.every((part) => part !== undefined) ? parts.flat() : undefined;
    }
    case "Gather": {
      const [list, places] = [of(0), graph.initializers.get(node.inputs[1])];
      if (!list || !places || places.shape.length > 1 || intAttribute(node, "axis", 0) !== 0) return undefined;
      const picked = Array.from(toFloat64(places), (at) => list[at < 0 ? at + list.length : at]);
      return picked.every((element) => element !== undefined) ? picked : undefined;
    }
    case "Add":
    case "Sub": {
      const [left, right] = [of(0), of(1)];
      if (!left || !right || (left.length !== right.length && left.length !== 1 && right.length !== 1))
        return undefined;
      const sums = Array.from({ length: Math.max(left.length, right.length) }, (_, i) =>
        added(left[left.length === 1 ? 0 : i], right[right.length === 1 ? 0 : i], node.op === "Sub" ? -1 : 1),
      );
      return sums.every((sum) => sum !== undefined) ? sums : undefined;
    }
    default:
      return undefined;
  }
}

const elementOf = (size: Dimension): Element =>
  typeof size === "string" ? { size, plus: 0 } : { size: undefined, plus: size };

/** a ± b where at most one is an open size, which is not taken away. */
function added(a: Element, b: Element, sign: 1 | -1): Element | undefined {
  if (b.size !== undefined && (a.size !== undefined || sign < 0)) return undefined;
  return { size: a.size ?? b.size, plus: a.plus + sign * b.plus };
}
