import type { Backend } from "../backend/backend.js";
import { planConvForward } from "../backend/conv/plan.js";
import { UserError } from "../core/errors.js";
import type { Graph } from "../graph/graph.js";
import { buildPlan } from "./plan/plan.js";

/**
 * Whether the engine can run a graph: it has all operators, in the forms in which they stand there. No weights are packed.
 * @param inputShapes by input name
 */
export function engineSupports(
  graph: Graph,
  inputShapes: Readonly<Record<string, readonly number[]>>,
  backend: Backend,
): boolean {
  try {
    const planConvolution = (geometry: Parameters<typeof planConvForward>[0]) => planConvForward(geometry, backend);
    buildPlan(graph, { inputShapes, features: [], fuseBatchNorm: false, planConvolution });
    return true;
  } catch (error) {
    if (error instanceof UserError) return false;
    throw error;
  }
}
