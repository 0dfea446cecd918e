import { UserError } from "../../core/errors.js";
import { type Tensor64, tensor64, toTensor64 } from "../../graph/evaluate/tensor64.js";
import type { Graph, GraphNode } from "../../graph/graph.js";
import { apply } from "../../graph/operator/apply.js";
import { type ChannelStatistics, channelStatistics } from "../../operators/channel-statistics.js";
import { inferenceMode, isBatchNorm } from "./blocks.js";

/** A graph as it runs in training mode. */
export interface TrainingRun {
  /** By the name of the BatchNormalization node. */
  readonly statistics: ReadonlyMap<string, ChannelStatistics>;
  /** The graph's first output. */
  readonly output: Float64Array;
}

/** The naive evaluator takes about a nanosecond a multiply-accumulate. */
const mostMacs = 4e9;

/**
 * Runs a graph in float64 on one batch, each BatchNorm normalizing by the batch's own mean and (biased) variance
 * (Ioffe and Szegedy 2015, algorithm 1).
 * @returns undefined where the net is too large for the naive evaluator, or has an operator that it lacks.
 */
export function runInTrainingMode(
  original: Graph,
  input: { readonly shape: readonly number[]; readonly data: ArrayLike<number> },
): TrainingRun | undefined {
  const graph = inferenceMode(original);
  const values = new Map<string, Tensor64>([
    [graph.inputs[0].name, tensor64(input.shape, Float64Array.from(input.data), graph.inputs[0].dtype)],
  ]);
  const statistics = new Map<string, ChannelStatistics>();
  let macs = 0;
  const read = (name: string): Tensor64 | undefined => {
    const constant = graph.initializers.get(name);
    return values.get(name) ?? (constant && toTensor64(constant));
  };
  try {
    for (const node of graph.nodes) {
      const inputs = node.inputs.map(read);
      if (isBatchNorm(node)) normalizeByBatch(node, inputs, statistics);
      const results = apply(node, inputs);
      macs += macsOf(node, inputs, results);
      if (macs > mostMacs) return undefined;
      node.outputs.forEach((output, at) => void values.set(output, results[at]));
    }
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
  return { statistics, output: values.get(graph.outputs[0].name)!.data };
}

/** Puts the statistics of the node's input in place of the running ones. */
function normalizeByBatch(
  node: GraphNode,
  inputs: (Tensor64 | undefined)[],
  statistics: Map<string, ChannelStatistics>,
): void {
  const measured = channelStatistics(inputs[0]!);
  statistics.set(node.name, measured);
  inputs[3] = tensor64([measured.mean.length], measured.mean);
  inputs[4] = tensor64([measured.variance.length], measured.variance);
}

function macsOf(node: GraphNode, inputs: readonly (Tensor64 | undefined)[], [result]: readonly Tensor64[]): number {
  if (node.op !== "Conv") return 0;
  return result.data.length * (inputs[1]!.data.length / inputs[1]!.shape[0]);
}
