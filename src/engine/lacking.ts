import { UserError } from "../core/errors.js";
import { constantFolding } from "../graph/constant-folding.js";
import { eliminateDead, eliminateNoOps } from "../graph/eliminate.js";
import type { Graph, GraphNode } from "../graph/graph.js";
import { hasOperator } from "../lowering/registry.js";
import { operatorOf } from "../operators/registry.js";

/** An operator that the engine lacks, and the nodes of it. */
export interface LackingOperator {
  /** With its domain where that is not ONNX's own ("com.example.Foo"), with its operator set where that is older than any understood. */
  readonly op: string;
  /** Names of nodes, in the graph's order. */
  readonly nodes: readonly string[];
}

/** What a graph asks of the engine that it does not have, by name; constants are computed before. Forms that it lacks show when it plans. */
export function lackingOperators(graph: Graph): LackingOperator[] {
  return lackingAmong(eliminateDead(eliminateNoOps(constantFolding(graph))).nodes);
}

/** @throws UserError that names every operator that the engine lacks, each with its first node. */
export function checkOperators(nodes: readonly GraphNode[]): void {
  const lacking = lackingAmong(nodes);
  if (lacking.length === 0) return;
  throw new UserError({
    expected: "operators that the engine has",
    received: lacking.map(describeLacking).join(", "),
    remedy: "such a net can be folded and proven region by region; docs/bench.md lists what runs",
  });
}

/** `Tan ("tangent")`, `Tan (3 nodes, "a" the first)`. */
export function describeLacking({ op, nodes: [first, ...others] }: LackingOperator): string {
  return others.length === 0 ? `${op} ("${first}")` : `${op} (${others.length + 1} nodes, "${first}" the first)`;
}

function lackingAmong(nodes: readonly GraphNode[]): LackingOperator[] {
  const found = new Map<string, string[]>();
  for (const node of nodes) {
    if (hasOperator(node) && operatorOf(node)) continue;
    const op = hasOperator(node) ? `${node.op} of operator set ${node.opset}` : fullName(node);
    found.set(op, [...(found.get(op) ?? []), node.name]);
  }
  return [...found].map(([op, names]) => ({ op, nodes: names }));
}

function fullName({ domain, op }: GraphNode): string {
  return domain === "" ? op : `${domain}.${op}`;
}
