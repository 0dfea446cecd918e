import { UserError } from "../core/errors.js";
import type { DType, NamedArray } from "../core/named-arrays.js";
import type { GraphProto, ValueInfoProto } from "../formats/onnx/proto.js";
import { tensorToArray } from "../formats/onnx/tensor.js";
import { fromNodes, fromValueInfo } from "./from-onnx.js";
import type { Graph, GraphNode, ValueInfo } from "./graph.js";
import { notWritten } from "./not-written.js";
import { subgraphsOf } from "./subgraphs.js";

/** Values that a graph reads from the graphs around it, with what is known of them. */
export type Scope = ReadonlyMap<string, ValueInfo | undefined>;
type Types = ReadonlyMap<string, DType>;

/**
 * Checks the bodies and branches that a node of control flow has.
 * @param scope what is written before the node
 * @param around element types of the values that the node reads and gives
 * @param check checks a graph, and tells element types of its values
 * @throws UserError as `check` does, and where types do not fit those around
 */
export function checkSubgraphs(
  node: GraphNode,
  opset: number,
  scope: Scope,
  around: Types,
  check: (graph: Graph, opset: number, scope: Scope) => Types,
): void {
  const parts = subgraphsOf(node).map((proto) => {
    const { inner, untyped } = innerGraph(proto, opset);
    return { proto, inside: check(inner, opset, new Map([...scope, ...untyped])) };
  });
  if (node.domain !== "") return;
  if (node.op === "If") checkGiven(node, parts, around);
  if (["Loop", "Scan"].includes(node.op))
    for (const { proto, inside } of parts) checkTaken(node, proto, around, inside);
}

/** A subgraph; its inputs, outputs and constants that are no tensors of numbers by name only. */
function innerGraph(proto: GraphProto, opset: number): { readonly inner: Graph; readonly untyped: Scope } {
  const untyped = new Map<string, undefined>();
  const attempt = <T>(name: string | undefined, make: () => T): T[] => {
    try {
      return [make()];
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      untyped.set(name ?? "", undefined);
      return [];
    }
  };
  const infos = (list: readonly ValueInfoProto[]): ValueInfo[] =>
    list.flatMap((info) => attempt(info.name, () => fromValueInfo(info)));
  const initializers = proto.initializer.flatMap((tensor) =>
    attempt(tensor.name, (): [string, NamedArray] => [tensor.name ?? "", tensorToArray(tensor)]),
  );
  const inputs = infos(proto.input);
  const outputs = proto.output.map(({ name = "" }): ValueInfo => ({ name, dtype: "f32", shape: undefined }));
  const nodes = fromNodes(proto.node, opset);
  return {
    inner: { name: proto.name ?? "", inputs, outputs, nodes, initializers: new Map(initializers) },
    untyped,
  };
}

/** The types that go into a body are those that the node around it takes. */
function checkTaken(node: GraphNode, body: GraphProto, around: Types, inside: Types): void {
  // A Loop's body takes the iteration and the condition first; the first version of Scan took lengths before all that its body takes.
  const [first, offset] = node.op === "Loop" ? [2, 0] : [0, (node.opset ?? 9) < 9 ? 1 : 0];
  for (const [i, { name = "" }] of body.input.entries()) {
    const [given, wanted] = [around.get(node.inputs[i + offset] ?? ""), inside.get(name)];
    if (i >= first && given && wanted && given !== wanted)
      throw notWritten(`"${name}" of type ${wanted} for the body of ${node.op} "${node.name}"`, given);
  }
}

/** The types that come out of the branches of an If are one, and those that it is said to give. */
function checkGiven(
  node: GraphNode,
  branches: readonly { readonly proto: GraphProto; readonly inside: Types }[],
  around: Types,
): void {
  const types = node.outputs.map((name) => around.get(name));
  for (const { proto, inside } of branches) {
    if (proto.output.length !== node.outputs.length)
      throw notWritten(`${node.outputs.length} outputs of each branch of If "${node.name}"`, `${proto.output.length}`);
    for (const [i, { name = "" }] of proto.output.entries()) {
      const given = inside.get(name);
      if (given && types[i] && given !== types[i])
        throw notWritten(`"${name}" of type ${types[i]}, as If "${node.name}" gives it`, given);
      types[i] ??= given;
    }
  }
}
