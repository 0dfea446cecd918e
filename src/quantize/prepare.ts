import { UserError } from "../core/errors.js";
import { toFloat32 } from "../core/named-arrays.js";
import type { Names } from "../graph/build.js";
import type { Graph } from "../graph/graph.js";
import { isQuantized } from "../graph/quantization.js";
import { valueNames } from "../graph/subgraphs.js";
import { type Layer, layersOf } from "./layers.js";

/** Activations that have no end, so that no range holds them all; a ReLU's are ended by the pictures. */
const unbounded = new Set(["Exp", "Log", "Pow", "Reciprocal"]);

/**
 * A folded graph as the quantizer wants it: every layer with weights of its own.
 * @throws UserError for a net that is quantized already, has nothing to quantize, or has weights that are no numbers
 */
export function prepared(graph: Graph): Graph {
  if (isQuantized(graph)) {
    throw new UserError({
      expected: "a net in float",
      received: "one that is quantized already",
      remedy: "quantize the float net that it was made of",
    });
  }
  const { layers, left } = layersOf(graph);
  if (layers.length === 0) {
    throw new UserError({
      expected: "a net with convolutions or matrix products of constant float32 weights",
      received: left[0] ? `"${left[0].name}": ${left[0].reason}` : "one without",
      remedy: "there is nothing to quantize",
    });
  }
  for (const { weight, bias } of layers) checkFinite([weight, ...(bias === undefined ? [] : [bias])], graph);
  return withOwnWeights(graph);
}

/** @throws UserError for layers that read what has no bounds */
export function checkBounds(graph: Graph, layers: readonly Layer[]): void {
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  for (const { name, input } of layers) {
    const maker = producers.get(input);
    if (maker?.domain !== "" || !unbounded.has(maker.op)) continue;
    throw new UserError({
      expected: "activations with bounds before every layer",
      received: `${maker.op} "${maker.name}" before "${name}", which has none`,
      remedy: `keep that layer in float: --keep-float ${name}`,
    });
  }
}

/** @throws UserError for weights that no whole number stands for */
function checkFinite(names: readonly string[], { initializers }: Graph): void {
  for (const name of names) {
    const wrong = toFloat32(initializers.get(name)!).find((value) => !Number.isFinite(value));
    if (wrong === undefined) continue;
    throw new UserError({
      expected: "finite weights",
      received: `${wrong} in "${name}"`,
      remedy: "the net was broken before: take an earlier checkpoint",
    });
  }
}

/** Every layer's weight and bias under a name that no other node reads. */
function withOwnWeights(graph: Graph): Graph {
  const initializers = new Map(graph.initializers);
  const names: Names = valueNames(graph);
  const seen = new Set<string>();
  const layers = new Set(layersOf(graph).layers.map(({ name }) => name));
  const nodes = graph.nodes.map((node) => {
    const inputs = node.inputs.map((input, place) => {
      if (!graph.initializers.has(input)) return input;
      const shared = seen.has(input) && place > 0 && layers.has(node.name);
      seen.add(input);
      if (!shared) return input;
      const own = names.take(input);
      initializers.set(own, graph.initializers.get(input)!);
      return own;
    });
    return inputs.every((input, i) => input === node.inputs[i]) ? node : { ...node, inputs };
  });
  return { ...graph, nodes, initializers };
}
