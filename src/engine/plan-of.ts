import { algorithmOfOne, type ConvTarget, planConvBackwardData, planConvForward } from "../backend/conv/plan.js";
import { type ByteConvTarget, planByteConv } from "../backend/conv-bytes/plan.js";
import type { ConvGeometry } from "../core/conv-geometry.js";
import type { Graph } from "../graph/graph.js";
import { buildPlan, type Plan } from "./plan/plan.js";

export interface PlanOfOptions {
  readonly inputShapes: Readonly<Record<string, readonly number[]>>;
  /** Kernels that run it: all that a plan must know of them. */
  readonly backend: ConvTarget & ByteConvTarget;
  /** See SessionOptions for these. */
  readonly features?: readonly string[];
  readonly fuseBatchNorm: boolean;
  readonly compactWeights?: boolean;
  readonly halfWeights?: boolean;
  readonly batchInvariant?: boolean;
  /** Algorithms of convolutions, as measured; default: those of the cost model. */
  readonly tuned?: ((geometry: ConvGeometry, target: ConvTarget) => string) | undefined;
}

/** The last plan of each graph: what asks whether a graph can be run and then runs it plans once. Graphs do not change. */
const lastPlans = new WeakMap<Graph, { readonly key: string; readonly plan: Plan }>();

/**
 * The plan of a graph for a backend: algorithms by the cost model, or as tuned.
 * @throws UserError where the engine lacks an operator or a form of it; ShapeError where shapes do not fit.
 */
export function planOf(graph: Graph, options: PlanOfOptions): Plan {
  const { inputShapes, backend, features = [], fuseBatchNorm, tuned } = options;
  const { compactWeights = false, halfWeights = false, batchInvariant = false } = options;
  const { lanes, panelColumns, microRows, threads } = backend;
  const target = { lanes, panelColumns, microRows, threads, compactWeights, halfWeights };
  const ofBytes = { lanes, panelColumns, microRows, threads, multipliesBytes: backend.multipliesBytes };
  const key = JSON.stringify([inputShapes, features, fuseBatchNorm, batchInvariant, target, ofBytes]);
  const last = lastPlans.get(graph);
  if (!tuned && last?.key === key) return last.plan;
  const ofOne = (geometry: ConvGeometry, role: "forward" | "backward-data"): string | undefined =>
    batchInvariant ? algorithmOfOne(geometry, role, target) : undefined;
  const plan = buildPlan(graph, {
    ...{ inputShapes, features, fuseBatchNorm },
    planConvolution: (geometry: ConvGeometry) =>
      planConvForward(geometry, target, tuned?.(geometry, target) ?? ofOne(geometry, "forward")),
    planTransposedConvolution: (geometry: ConvGeometry) =>
      planConvBackwardData(geometry, target, ofOne(geometry, "backward-data")),
    planByteConvolution: (geometry: ConvGeometry, largestSum: number) => planByteConv(geometry, ofBytes, largestSum),
  });
  if (!tuned) lastPlans.set(graph, { key, plan });
  return plan;
}
