import type { DType } from "../core/named-arrays.js";
import { operatorOf } from "../operators/registry.js";
import { analyze } from "./analyze/analyze.js";
import { checkSubgraphs, type Scope } from "./check-subgraphs.js";
import type { Graph, ValueInfo } from "./graph.js";
import { notWritten } from "./not-written.js";
import { signatureFault } from "./operator/signature.js";
import { validate } from "./validate.js";

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
    if (fault) throw notWritten(`${fault.expected} in ${node.op} "${node.name}"`, fault.received);
    checkSubgraphs(node, opset, scope, dtypes, checkGraph);
    for (const name of node.outputs) if (name !== "") learn(name);
  }
  return dtypes;
}
