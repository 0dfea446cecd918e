import type { NamedArray } from "../core/named-arrays.js";
import type { Analysis, AnalyzeOptions } from "./analyze/analyze.js";
import { analyze } from "./analyze/analyze.js";
import { int64, type Names } from "./build.js";
import { toNamedArray } from "./evaluate/tensor64.js";
import type { Graph, GraphNode } from "./graph.js";
import { readBySubgraphs, valueNames } from "./subgraphs.js";

/**
 * Computes what does not depend on the input: nodes that read constants only become initializers (in float64, rounded once to their
 * own type), Shape chains over static sizes too. A Reshape whose target merely copies a dynamic size of its input ("batch") gets a
 * constant target, so that the chain that exporters leave before a classifier goes. Of a node that stays (one of its outputs
 * is wanted by name, or not known) what is known is read under another name: every name is defined once.
 */
export function constantFolding(graph: Graph, options: Pick<AnalyzeOptions, "keepQuantized"> = {}): Graph {
  const analysis = analyze(graph, options);
  const wanted = new Set([...graph.outputs.map(({ name }) => name), ...readBySubgraphs(graph).keys()]);
  const goes = (output: string): boolean => output === "" || (analysis.constants.has(output) && !wanted.has(output));
  const kept = graph.nodes.filter(({ outputs }) => !outputs.every(goes));

  const initializers = new Map(graph.initializers);
  const written = new Set(kept.flatMap(({ outputs }) => outputs));
  const names = valueNames(graph);
  /** The name under which a computed value is read; its own, but where a node that stays writes it. */
  const readAs = new Map<string, string>();
  const read = (name: string): string => {
    const known = readAs.get(name);
    if (known !== undefined) return known;
    const value = analysis.constants.get(name);
    const own = value && written.has(name) ? names.take(name) : name;
    if (value) initializers.set(own, toNamedArray(value));
    readAs.set(name, own);
    return own;
  };
  const nodes = kept.map((node): GraphNode => {
    const inputs = node.inputs.map(read);
    const same = inputs.every((input, i) => input === node.inputs[i]);
    const reading = same ? node : { ...node, inputs };
    return node.op === "Reshape" && node.domain === ""
      ? withConstantTarget(node, reading, analysis, initializers, names)
      : reading;
  });
  const isSame = nodes.length === graph.nodes.length && nodes.every((node, i) => node === graph.nodes[i]);
  return isSame && initializers.size === graph.initializers.size ? graph : { ...graph, nodes, initializers };
}

function withConstantTarget(
  { inputs: [input, target], outputs, attributes }: GraphNode,
  reading: GraphNode,
  analysis: Analysis,
  initializers: Map<string, NamedArray>,
  names: Names,
): GraphNode {
  if (initializers.has(reading.inputs[1]) || attributes.allowzero) return reading;
  const shape = analysis.shapes.get(input);
  const wanted = analysis.contents.get(target);
  if (!shape || !wanted?.some((size) => typeof size === "string")) return reading;
  const sizes = wanted.map((size, axis) => (typeof size === "string" && size === shape[axis] ? 0 : size));
  if (sizes.some((size) => typeof size === "string")) return reading;
  const name = names.take(`${outputs[0]}.shape`);
  initializers.set(name, int64(sizes as number[]));
  return { ...reading, inputs: [reading.inputs[0], name] };
}
