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

/** Operator, inputs and the settings that change what it computes, with ONNX's defaults filled in. */
function describe(node: GraphNode): string {
  const settings =
    node.op === "Conv"
      ? [
          `strides ${list(node, "strides", [1, 1])}`,
          `pads ${list(node, "pads", [0, 0, 0, 0])}`,
          `dilations ${list(node, "dilations", [1, 1])}`,
          `group ${scalar(node, "group", 1)}`,
        ]
      : node.op === "Gemm"
        ? ["transA", "transB"].map((name) => `${name} ${scalar(node, name, 0)}`)
        : [];
  return `${node.op}(${node.inputs.join(", ")})${settings.length ? ` with ${settings.join(", ")}` : ""}`;
}

function list(node: GraphNode, name: string, fallback: readonly number[]): string {
  const attribute = node.attributes[name];
  return (attribute?.type === "ints" ? attribute.value : fallback).join("×");
}

function scalar(node: GraphNode, name: string, fallback: number): number {
  const attribute = node.attributes[name];
  return attribute?.type === "int" ? attribute.value : fallback;
}

function notPlain(expected: string, received: string): never {
  throw new ShapeError({
    expected: `a folded graph that is the plain form: ${expected}`,
    received,
    remedy: "fold the graph of this very model; a block that could not be folded keeps its branches",
  });
}
