import { float, floatAttribute } from "../../graph/attributes.js";
import { node as makeNode } from "../../graph/build.js";
import type { Graph, GraphNode } from "../../graph/graph.js";
import { constantOf, foldRegion, isBatchNorm, rewritten } from "./blocks.js";
import type { Hypotheses, Hypothesis } from "./hypothesis.js";

/** ε of the usual frameworks: Keras 1e-3, PyTorch 1e-5, MXNet 2e-5, Keras' ResNets 1.001e-5, … */
const usualEpsilons = [1e-5, 1e-3, 1e-4, 1e-6, 1e-2, 2e-5, 1.001e-5, 3e-3, 1e-7, 0];

const defaultEpsilon = 1e-5;

type Change = (
  node: GraphNode,
  region: Graph,
) => { node?: GraphNode; constants?: [name: string, data: Float64Array][] };

/** Wrong ε, wrong or ignored statistics, wrong or ignored shift, of all BatchNorm nodes of the block, then of single ones. */
export const batchNormHypotheses: Hypotheses = ({ block: { region }, otherEpsilons, batchStatistics }) => {
  const norms = region.nodes.filter(isBatchNorm);
  if (norms.length === 0) return [];
  const own = floatAttribute(norms[0], "epsilon", defaultEpsilon);
  const of = (chosen: readonly GraphNode[], whose: string): Hypothesis[] => {
    const make = (cause: Hypothesis["cause"], what: string, remedy: string, change: Change): Hypothesis => ({
      cause,
      what: `${what}${whose}`,
      remedy,
      predict: () => foldRegion(changed(region, chosen, change)),
    });
    const epsilons = [...new Set([...otherEpsilons, ...usualEpsilons])].filter((e) => !close(e, own));
    return [
      ...epsilons.map((epsilon) =>
        make(
          "batch-norm-epsilon",
          `has ε = ${shown(epsilon)} instead of ${shown(own)} in BatchNorm`,
          `Use the same ε on both sides (PyTorch has 0.00001, Keras 0.001)`,
          (node) => ({ node: { ...node, attributes: { ...node.attributes, epsilon: float(epsilon) } } }),
        ),
      ),
      make(
        "stale-statistics",
        "has mean 0 and variance 1 instead of the trained statistics in BatchNorm",
        "Load running_mean and running_var too (they are buffers, not parameters), then fold again",
        ({ inputs }, graph) => ({
          constants: [
            [inputs[3], filled(graph, inputs[3], 0)],
            [inputs[4], filled(graph, inputs[4], 1)],
          ],
        }),
      ),
      make(
        "batch-norm-skipped",
        "has no BatchNorm",
        "Fold BatchNorm into the convolution instead of leaving it out",
        (node) => ({ node: makeNode("Identity", node.name, node.inputs.slice(0, 1), node.outputs.slice(0, 1)) }),
      ),
      ...shiftChanges.map(([what, input, factor]) =>
        make(
          "batch-norm-shift",
          what,
          "The folded bias is β − γ·mean/√(variance + ε), summed over the branches",
          ({ inputs }, graph) => ({
            constants: [[inputs[input], constantOf(graph, inputs[input])!.map((value) => factor * value)]],
          }),
        ),
      ),
    ];
  };
  const measured: Hypothesis = {
    cause: "batch-norm-training-mode",
    what: "has the statistics of the batch instead of the running ones in BatchNorm",
    remedy: "Call model.eval() before the export or the fold",
    predict() {
      const statistics = batchStatistics();
      if (!statistics || norms.some(({ name }) => !statistics.has(name))) return undefined;
      return foldRegion(
        changed(region, norms, ({ name, inputs }) => ({
          constants: [
            [inputs[3], statistics.get(name)!.mean],
            [inputs[4], statistics.get(name)!.variance],
          ],
        })),
      );
    },
  };
  const single = norms.length > 1 ? norms.flatMap((norm) => of([norm], ` of ${norm.name}`)) : [];
  return [of(norms, ""), [measured], single];
};

/** Input of BatchNormalization (2 β, 3 mean) and what it is multiplied by. */
const shiftChanges: readonly (readonly [what: string, input: 2 | 3, factor: 0 | -1])[] = [
  ["leaves the running mean out of the bias, in BatchNorm", 3, 0],
  ["adds the running mean instead of subtracting it, in BatchNorm", 3, -1],
  ["leaves β out of the bias, in BatchNorm", 2, 0],
  ["has the wrong sign of β in BatchNorm", 2, -1],
];

function changed(region: Graph, norms: readonly GraphNode[], change: Change): Graph {
  const changes = new Map(norms.map((node) => [node, change(node, region)]));
  return rewritten(region, {
    nodes: (node) => changes.get(node)?.node ?? node,
    constants: new Map([...changes.values()].flatMap(({ constants }) => constants ?? [])),
  });
}

const filled = (region: Graph, name: string, value: number): Float64Array =>
  new Float64Array(constantOf(region, name)!.length).fill(value);

/** With the digits that tell 1.001e-5 from 1e-5, and without those of float32. */
const shown = (epsilon: number): string => (epsilon === 0 ? "0 (or next to it)" : `${Number(epsilon.toPrecision(6))}`);

/** ε is stored as float32. */
const close = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-6 * Math.max(a, b);
