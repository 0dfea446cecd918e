import { UserError } from "../core/errors.js";
import type { DType, NamedArray } from "../core/named-arrays.js";
import type { GraphProto, ValueInfoProto } from "../formats/onnx/proto.js";
import { tensorToArray } from "../formats/onnx/tensor.js";
import { analyze } from "./analyze/analyze.js";
import { fromNodes, fromValueInfo } from "./from-onnx.js";
import type { Graph, GraphNode, ValueInfo } from "./graph.js";
import { operatorOf } from "./operators/registry.js";
import { signatureFault } from "./operators/signature.js";
import { subgraphsOf } from "./subgraphs.js";
import { validate } from "./validate.js";

/** Values that a graph reads from the graphs around it, with what is known of them. */
type Scope = ReadonlyMap<string, ValueInfo | undefined>;

/**
 * Checks that a graph makes a valid ONNX file of an operator set: every value is written once and before it is read;
 * operands have the number, element types (by the operators' signatures, strictly) and shapes of their definition, also inside of the bodies and
 * branches of control flow, which take and give the types that the nodes around them have. Operators that
 * are not understood, and what they give, are left to whoever runs them.
 * @throws UserError that names the node and says that the file is not written
 */
export function checkFile(graph: Graph, opset: number): void {
  checkGraph(graph, opset, new Map());
}

/** @returns element types of the graph's values, as far as they are known */
function checkGraph(graph: Graph, opset: number, around: Scope): ReadonlyMap<string, DType> {
  const own = new Set([...graph.inputs.map(({ name }) => name), ...graph.initializers.keys()]);
  const written = new Set(graph.nodes.flatMap(({ outputs }) => outputs));
  const visible = [...around].filter(([name]) => !own.has(name) && !written.has(name));
  const read = visible.map(([name, info]): ValueInfo => info ?? { name, dtype: "f32", shape: undefined });
  validate({ ...graph, inputs: [...graph.inputs, ...read] });
  const stated: Graph = {
    ...graph,
    inputs: [...graph.inputs, ...visible.flatMap(([, info]) => info ?? [])],
    nodes: graph.nodes.map((node) => (node.domain === "" ? { ...node, opset } : node)),
  };
  const { dtypes, shapes } = analyze(stated, { shapesOnly: true });
  const scope = new Map(around);
  const learn = (name: string): void => {
    const dtype = dtypes.get(name);
    scope.set(name, dtype && { name, dtype, shape: shapes.get(name) });
  };
  for (const name of own) learn(name);
  for (const node of stated.nodes) {
    const found = operatorOf(node);
    const fault =
      found &&
      signatureFault(found.operator.signature(found.version), node, (at) => dtypes.get(node.inputs[at]!), true);
    if (fault) throw refused(`${fault.expected} in ${node.op} "${node.name}"`, fault.received);
    const parts = subgraphsOf(node).map((proto) => {
      const { inner, untyped } = innerGraph(proto, opset);
      return { proto, inside: checkGraph(inner, opset, new Map([...scope, ...untyped])) };
    });
    if (node.domain === "" && node.op === "If") checkGiven(node, parts, dtypes);
    if (node.domain === "" && ["Loop", "Scan"].includes(node.op))
      for (const { proto, inside } of parts) checkTaken(node, proto, dtypes, inside);
    for (const name of node.outputs) if (name !== "") learn(name);
  }
  return dtypes;
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
function checkTaken(
  node: GraphNode,
  body: GraphProto,
  around: ReadonlyMap<string, DType>,
  inside: ReadonlyMap<string, DType>,
): void {
  // A Loop's body takes the iteration and the condition first; the first version of Scan took lengths before all that its body takes.
  const [first, offset] = node.op === "Loop" ? [2, 0] : [0, (node.opset ?? 9) < 9 ? 1 : 0];
  for (const [i, { name = "" }] of body.input.entries()) {
    const [given, wanted] = [around.get(node.inputs[i + offset] ?? ""), inside.get(name)];
    if (i >= first && given && wanted && given !== wanted)
      throw refused(`"${name}" of type ${wanted} for the body of ${node.op} "${node.name}"`, given);
  }
}

/** The types that come out of the branches of an If are one, and those that it is said to give. */
function checkGiven(
  node: GraphNode,
  branches: readonly { readonly proto: GraphProto; readonly inside: ReadonlyMap<string, DType> }[],
  around: ReadonlyMap<string, DType>,
): void {
  const types = node.outputs.map((name) => around.get(name));
  for (const { proto, inside } of branches) {
    if (proto.output.length !== node.outputs.length)
      throw refused(`${node.outputs.length} outputs of each branch of If "${node.name}"`, `${proto.output.length}`);
    for (const [i, { name = "" }] of proto.output.entries()) {
      const given = inside.get(name);
      if (given && types[i] && given !== types[i])
        throw refused(`"${name}" of type ${types[i]}, as If "${node.name}" gives it`, given);
      types[i] ??= given;
    }
  }
}

function refused(expected: string, received: string): UserError {
  return new UserError({ expected, received, remedy: "the file would not be valid, and is not written" });
}
