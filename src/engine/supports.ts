import type { Backend } from "../backend/backend.js";
import { UserError } from "../core/errors.js";
import type { Graph } from "../graph/graph.js";
import { planReport } from "./plan-report.js";

/**
 * Whether the engine can run a graph: it has all operators, in the forms in which they stand there. No weights are packed.
 * @param inputShapes by input name
 */
export function engineSupports(
  graph: Graph,
  inputShapes: Readonly<Record<string, readonly number[]>>,
  backend: Backend,
): boolean {
  return engineObstacle(graph, inputShapes, backend) === undefined;
}

/** Why the engine cannot run a graph; undefined where it can. See {@link engineSupports}. */
export function engineObstacle(
  graph: Graph,
  inputShapes: Readonly<Record<string, readonly number[]>>,
  backend: Backend,
): UserError | undefined {
  try {
    planReport(graph, { inputShapes, backend, fuseBatchNorm: false });
    return undefined;
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
}
