import { elementCount } from "../../core/named-arrays.js";
import type { FoldReport } from "../../fold/report.js";
import type { Graph, GraphNode } from "../../graph/graph.js";
import type { Architecture } from "../../nn/architecture.js";
import { auxHeadLayouts, blockLayouts } from "../../nn/layout.js";

/** Says of a step, by the name that it has in a plan, which layer it belongs to. */
export type LayerOf = (step: string) => string;

/** Layers of a RepVGG in either form: blocks and heads by their module paths; what stands outside them by its own name. */
export function layersOfArchitecture(architecture: Architecture): LayerOf {
  const paths = [...blockLayouts(architecture), ...auxHeadLayouts(architecture)].map(({ path }) => path);
  return (step) => paths.find((path) => step === path || step.startsWith(`${path}.`)) ?? step;
}

/**
 * Layers of any graph and its fold: what became one convolution is one layer, named after that; every other node is its own.
 * @param report of the fold; without one, every node is its own layer
 */
export function layersOfFold({ nodes }: Graph, report?: FoldReport): LayerOf {
  const layers = new Map<string, string>();
  for (const { name, outputs } of nodes) for (const output of outputs) layers.set(output, name);
  for (const { nodes: folded, conv } of report?.regions ?? []) {
    for (const name of folded) layers.set(name, conv);
  }
  for (const { name, outputs } of nodes) {
    for (const output of outputs) layers.set(output, layers.get(name) ?? name);
  }
  return (step) => layers.get(step) ?? step;
}

/** Constants of these operators are settings, not weights. */
const withoutWeights = new Set(["Clip", "Pad", "Resize", "Upsample", "Reshape", "Slice"]);

/** Learned numbers by layer: floating-point constants, each once, without BatchNorm's statistics. */
export function parametersByLayer(graph: Graph, layerOf: LayerOf): ReadonlyMap<string, number> {
  const counted = new Set<string>();
  const parameters = new Map<string, number>();
  for (const node of graph.nodes) {
    if (withoutWeights.has(node.op)) continue;
    for (const name of weightsOf(node)) {
      const array = graph.initializers.get(name);
      if (!array || !/^b?f/.test(array.dtype) || counted.has(name)) continue;
      counted.add(name);
      const layer = layerOf(node.name);
      parameters.set(layer, (parameters.get(layer) ?? 0) + elementCount(array.shape));
    }
  }
  return parameters;
}

function weightsOf({ op, inputs }: GraphNode): readonly string[] {
  return op === "BatchNormalization" ? inputs.slice(1, 3) : inputs;
}

/** Layers of all forms in the order of the first that has them. */
export function layerNames(forms: readonly { readonly layers: readonly { readonly layer: string }[] }[]): string[] {
  return [...new Set(forms.flatMap(({ layers }) => layers.map(({ layer }) => layer)))];
}
