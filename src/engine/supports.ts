import type { Backend } from "../backend/backend.js";
import { UserError } from "../core/errors.js";
import type { Graph } from "../graph/graph.js";
import { planOf } from "./plan-of.js";
import type { SessionOptions } from "./session.js";

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

/**
 * Why the engine cannot run a graph; undefined where it can. See {@link engineSupports}.
 * @param options of the session that is to be opened: it finds its plan made
 */
export function engineObstacle(
  graph: Graph,
  inputShapes: Readonly<Record<string, readonly number[]>>,
  backend: Backend,
  options: Pick<SessionOptions, "compactWeights"> = {},
): UserError | undefined {
  try {
    planOf(graph, { inputShapes, backend, fuseBatchNorm: false, ...options });
    return undefined;
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
}
