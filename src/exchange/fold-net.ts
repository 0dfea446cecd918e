import type { FoldPlan } from "../fold/emit.js";
import type { FoldReport } from "../fold/report.js";
import { fold as foldGraph } from "../graph/fold.js";
import { checkFoldable } from "../nn/blocks/registry.js";
import { fromFoldedGraph } from "../nn/from-graph.js";
import { requireOutputs } from "./graph-ends.js";
import { type Net, type NetSource, netOf } from "./net.js";

export type { RefusalKind } from "../fold/refusals.js";
export type { FoldReport, RefusalReport, RegionReport } from "../fold/report.js";
export type { TraceStep } from "../fold/trace.js";

/** What is folded. */
export interface FoldNetOptions {
  /** A region folds if it costs at most this many times the multiply-accumulates of the cheapest other way. Default 1. */
  readonly maxCost?: number;
  /** Leave the new kernels to be computed when they are asked for, each time anew (default false): for who only writes them. */
  readonly deferred?: boolean;
}

/** A folded net. */
export interface FoldedNet {
  /** The net with its convolutions; a RepVGG in plain form. */
  readonly net: Net;
  /** What was done, and what was left and why. */
  readonly report: FoldReport;
  /** How it was folded: what a proof has to know. */
  readonly plan: FoldPlan;
}

/**
 * A net with every linear region folded into one convolution, and what was done and left, with reasons. A RepVGG becomes
 * its plain form; any other graph keeps what does not fold.
 * @throws UserError when the graph gives nothing, a RepVGG's block does not fold into one convolution, or the graph is not valid.
 */
export function foldNet(net: Net, options: FoldNetOptions = {}): FoldedNet {
  requireOutputs(net.graph);
  if (net.model?.form === "train") checkFoldable(net.model.architecture.block.kind);
  const { graph, report, plan } = foldGraph(net.graph, options);
  const source: NetSource = net.source.form ? { ...net.source, form: "plain" } : net.source;
  if (!net.model) return { net: { ...net, graph, source }, report, plan };
  const model = net.model.form === "plain" ? net.model : fromFoldedGraph(graph, net.model);
  return { net: { ...netOf(model), source, ...(net.rest && { rest: net.rest }) }, report, plan };
}
