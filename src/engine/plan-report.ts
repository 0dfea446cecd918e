import type { Graph } from "../graph/graph.js";
import type { PlanReport } from "./plan/report.js";
import { type PlanOfOptions, planOf } from "./plan-of.js";

/**
 * What a session would do with a graph, in numbers, without making one: no weights are packed.
 * @throws UserError where the engine lacks an operator or a form of it; ShapeError where shapes do not fit.
 */
export function planReport(graph: Graph, options: PlanOfOptions): PlanReport {
  return planOf(graph, options).report;
}
