import { inMemory } from "../core/deferred-array.js";
import { type Propagation, propagate } from "../fold/candidates.js";
import { Dataflow } from "../fold/dataflow.js";
import type { FoldPlan } from "../fold/emit.js";
import { emit } from "../fold/emit.js";
import { withMovedAffines } from "../fold/move-affine.js";
import { overflowObstacle } from "../fold/overflow.js";
import { regrouped, regroupings } from "../fold/regroup.js";
import type { FoldReport } from "../fold/report.js";
import { type Region, type Selection, selectRegions } from "../fold/select.js";
import { withoutStackedSums } from "../fold/stacked-sums.js";
import { type Analysis, analyze } from "./analyze/analyze.js";
import { constantFolding } from "./constant-folding.js";
import { eliminateDead, eliminateNoOps } from "./eliminate.js";
import type { Graph } from "./graph.js";
import type { Precision } from "./precision.js";
import { castFloats } from "./precision.js";
import { validate } from "./validate.js";

export interface FoldOptions {
  /** A region folds if it costs at most this many times the multiply-accumulates of the cheapest other way. Default 1. */
  readonly maxCost?: number;
  /** Element type of the whole folded graph; by default each convolution has the type of the weights it replaces. */
  readonly precision?: Precision;
  /**
   * Leave the new kernels to be computed when they are asked for, each time anew (default false: they are computed once, now).
   * For who writes them one after another and keeps none.
   */
  readonly deferred?: boolean;
}

/**
 * Folds every maximal linear region of a graph (one source, one visible output, more than one node) into one convolution with the same
 * outputs. Knows no architecture: convolutions, BatchNormalization, constant scales and shifts, sums, differences, average pools, pads and
 * channel concatenations propagate as linear maps (docs/fold.md). Constants are folded first, dead nodes go last.
 * The convolution and its initializers are named after the value that it gives. The given graph is not changed.
 *
 * @throws UserError when the graph is not valid, or a number does not fit the wanted precision.
 */
export function fold(graph: Graph, options: FoldOptions = {}): { graph: Graph; report: FoldReport; plan: FoldPlan } {
  const plan = planFold(graph, options);
  const initializers = new Map(plan.graph.initializers);
  for (const { names, weight, bias } of plan.regions) {
    initializers.set(names.weight, options.deferred ? weight : inMemory(weight));
    initializers.set(names.bias, bias);
  }
  const folded = eliminateDead({ ...plan.graph, initializers });
  return {
    graph: options.precision ? castFloats(folded, options.precision) : folded,
    report: { ...plan.report, nodesBefore: graph.nodes.length, nodesAfter: folded.nodes.length },
    plan,
  };
}

/** Everything of {@link fold} but the kernels. */
export function planFold(graph: Graph, options: FoldOptions = {}): FoldPlan {
  validate(graph);
  const simple = eliminateDead(withoutStackedSums(eliminateNoOps(constantFolding(graph, { keepQuantized: true }))));
  const found = findRegions(simple, options);
  const { selection, propagation, analysis } = found;
  const emitted = emit(found.graph, analysis, selection, propagation, options.precision);
  const regions = emitted.regions.map(({ names: _, weight: __, bias: ___, ...report }) => report);
  return { ...emitted, simplified: found.graph, report: { regions, refusals: selection.refusals } };
}

interface Found {
  readonly graph: Graph;
  readonly analysis: Analysis;
  readonly flow: Dataflow;
  readonly propagation: Propagation;
  readonly selection: Selection;
}

/** Chains of scales and shifts behind one Concat are not longer than this. */
const mostMoves = 8;

/** The regions of a graph; of the graph with its scales moved and its sums bracketed anew where that makes larger regions. */
function findRegions(given: Graph, options: FoldOptions): Found {
  const { maxCost = 1 } = options;
  let found = regionsOf(given, options);
  for (let moves = 0; moves < mostMoves; moves++) {
    const moved = withMovedAffines(found);
    if (!moved) break;
    found = regionsOf(moved, options);
  }
  const { graph, analysis, flow } = found;
  const changes = regroupings(graph, analysis.shapes, flow, { ...found, maxCost });
  return changes.length > 0 ? regionsOf(regrouped(graph, changes), options) : found;
}

function regionsOf(graph: Graph, { maxCost = 1, precision }: FoldOptions): Found {
  const analysis = analyze(graph);
  const flow = new Dataflow(graph);
  const propagation = propagate(graph, analysis);
  const obstacleOf = (region: Region) => (precision ? undefined : overflowObstacle(region, graph, analysis.dtypes));
  return {
    graph,
    analysis,
    flow,
    propagation,
    selection: selectRegions(graph, flow, propagation, maxCost, obstacleOf),
  };
}
