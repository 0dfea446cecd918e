import { UserError } from "../core/errors.js";
import { operatorOf } from "../operators/registry.js";
import { analyze } from "./analyze/analyze.js";
import type { Graph } from "./graph.js";
import { signatureFault } from "./operator/signature.js";
import { validate } from "./validate.js";

/**
 * Checks that a graph makes a valid ONNX file of an operator set: every value is written once and before it is read;
 * operands have the number, element types (by the operators' signatures, strictly) and shapes of their definition. Operators that
 * are not understood, and what they give, are left to whoever runs them.
 * @throws UserError that names the node and says that the file is not written
 */
export function checkFile(graph: Graph, opset: number): void {
  validate(graph);
  const stated: Graph = {
    ...graph,
    nodes: graph.nodes.map((node) => (node.domain === "" ? { ...node, opset } : node)),
  };
  const analysis = analyze(stated, { shapesOnly: true });
  for (const node of stated.nodes) {
    const found = operatorOf(node);
    if (!found) continue;
    const fault = signatureFault(
      found.operator.signature(found.version),
      node,
      (input) => analysis.dtypes.get(node.inputs[input]!),
      true,
    );
    if (fault) throw refused(`${fault.expected} in ${node.op} "${node.name}"`, fault.received);
  }
}

function refused(expected: string, received: string): UserError {
  return new UserError({ expected, received, remedy: "the file would not be valid, and is not written" });
}
