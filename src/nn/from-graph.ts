import { ShapeError } from "../core/errors.js";
import type { NamedArray } from "../core/named-arrays.js";
import type { Graph, GraphNode } from "../graph/graph.js";
import { conformState } from "./check-state.js";
import type { Model } from "./model.js";
import { stateSchema } from "./state-schema.js";
import { toGraph } from "./to-graph.js";

/**
 * The plain form of a net, out of its folded graph.
 * @param graph what folding made of `toGraph(trainModel)`.
 * @throws ShapeError when the graph is not exactly the plain form: another node, another connection, another setting.
 * @throws UserError when weights are missing or have other shapes.
 */
export function fromFoldedGraph(graph: Graph, trainModel: Model): Model {
  const schema = stateSchema(trainModel.architecture, "plain");
  const weights = new Map<string, NamedArray>();
  for (const [name, array] of graph.initializers) if (schema.has(name)) weights.set(name, array);
  const state = conformState(weights, schema);
  const plain: Model = { ...trainModel, form: "plain", state };
  checkSameStructure(graph, toGraph(plain));
  return plain;
}

/** Nodes are matched by the value that they give, so that names and order of nodes do not matter. */
function checkSameStructure(graph: Graph, plain: Graph): void {
  const expected = new Map(plain.nodes.map((node) => [node.outputs[0]!, node]));
  for (const node of graph.nodes) {
    const match = expected.get(node.outputs[0]!);
    if (!match) notPlain("no such value", `${node.op} node "${node.name}"`);
    const wanted = describe(match);
    const found = describe(node);
    if (found !== wanted) notPlain(wanted, found);
    expected.delete(node.outputs[0]!);
  }
  for (const node of expected.values()) notPlain(describe(node), "no such node");
}

/** Settings that change what an operator of the plain form computes, with ONNX's defaults. */
const settingsOf: Readonly<Record<string, Readonly<Record<string, number | string | readonly number[]>>>> = {
  Conv: { auto_pad: "NOTSET", strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1], group: 1 },
  Flatten: { axis: 1 },
  Gemm: { alpha: 1, beta: 1, transA: 0, transB: 0 },
};

/** Operator, inputs and settings. */
function describe({ op, inputs, attributes }: GraphNode): string {
  const settings = Object.entries(settingsOf[op] ?? {}).map(([name, otherwise]) => {
    const { value = otherwise } = (attributes[name] ?? {}) as { readonly value?: unknown };
    return `${name} ${Array.isArray(value) ? value.join("×") : value}`;
  });
  return `${op}(${inputs.join(", ")})${settings.length ? ` with ${settings.join(", ")}` : ""}`;
}

function notPlain(expected: string, received: string): never {
  throw new ShapeError({
    expected: `a folded graph that is the plain form: ${expected}`,
    received,
    remedy: "fold the graph of this very model; a block that could not be folded keeps its branches",
  });
}
