import { UserError } from "../core/errors.js";
import type { GraphNode } from "../graph/graph.js";

/** A form of an operator that the engine has no kernels for. */
export function lacking(node: GraphNode, expected: string, received: string): UserError {
  return new UserError({ expected: `${expected} in node "${node.name}" (${node.op})`, received });
}
