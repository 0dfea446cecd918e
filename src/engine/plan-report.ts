import { type ConvTarget, planConvBackwardData, planConvForward } from "../backend/conv/plan.js";
import type { ConvGeometry } from "../core/conv-geometry.js";
import type { Graph } from "../graph/graph.js";
import { buildPlan } from "./plan/plan.js";
import type { PlanReport } from "./plan/report.js";

/**
 * What a session would do with a graph, in numbers, without making one: no weights are packed.
 * @param options input shapes by name; see SessionOptions for `fuseBatchNorm`
 * @throws UserError where the engine lacks an operator or a form of it; ShapeError where shapes do not fit.
 */
export function planReport(
  graph: Graph,
  options: {
    readonly inputShapes: Readonly<Record<string, readonly number[]>>;
    /** Kernels that would run it: all that a plan must know of them. */
    readonly backend: ConvTarget;
    readonly fuseBatchNorm: boolean;
  },
): PlanReport {
  const { inputShapes, backend, fuseBatchNorm } = options;
  const planConvolution = (geometry: ConvGeometry) => planConvForward(geometry, backend);
  const planTransposedConvolution = (geometry: ConvGeometry) => planConvBackwardData(geometry, backend);
  const planOptions = { inputShapes, features: [], fuseBatchNorm, planConvolution, planTransposedConvolution };
  return buildPlan(graph, planOptions).report;
}
