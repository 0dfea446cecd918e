import { toFloat64 } from "../core/named-arrays.js";
import { attribute, intAttribute } from "../graph/attributes.js";
import type { Graph, GraphNode } from "../graph/graph.js";
import { biasOf, layersOf, rowsOf } from "./layers.js";

/** What is known of a value without pictures: by channel mean and variance, and how far it reaches. */
export interface Moments {
  readonly mean: Float64Array;
  readonly variance: Float64Array;
  /** By channel. */
  readonly channelLow: Float64Array;
  readonly channelHigh: Float64Array;
  readonly low: number;
  readonly high: number;
}

/** Deviations that a channel reaches from its mean: Nagel et al. 2019 (section 5) take 6. */
export const reach = 6;

/**
 * Means and variances of a net's values by its BatchNorms (Nagel et al., arXiv 1906.04721, sections 4.1.3 and 4.2.1): behind one, a channel has mean β and
 * variance γ²; sums of branches add both (as if branches were independent); a ReLU makes of a normal distribution a clipped one, whose moments are
 * known. Values that no such rule reaches have none.
 * @param graph in training form, or with BatchNorms of its own
 * @param input of the graph's input, where it is known (normalized pictures)
 */
export function momentsOf(graph: Graph, input: Moments): Map<string, Moments> {
  const known = new Map<string, Moments>();
  for (const { name } of graph.inputs) if (!graph.initializers.has(name)) known.set(name, input);
  const layers = new Map(layersOf(graph).layers.map((layer) => [layer.name, layer]));
  for (const node of graph.nodes) {
    const [output] = node.outputs as [string];
    const operands = node.inputs.map((name) => known.get(name));
    const layer = layers.get(node.name);
    const found = layer
      ? operands[0] && throughLayer(operands[0], layer, graph)
      : node.domain === ""
        ? rules[node.op]?.(node, operands, graph)
        : undefined;
    if (found) known.set(output, found);
  }
  return known;
}

type Rule = (node: GraphNode, operands: readonly (Moments | undefined)[], graph: Graph) => Moments | undefined;

const same: Rule = (_, [x]) => x;

const rules: Readonly<Record<string, Rule>> = {
  Add: sum,
  AveragePool: same,
  BatchNormalization: normalized,
  Clip: (node, [x], graph) => {
    const limit = (place: number, name: string, otherwise: number): number => {
      const operand = graph.initializers.get(node.inputs[place] ?? "");
      return operand ? toFloat64(operand)[0]! : (attribute(node, name, "float") ?? otherwise);
    };
    return x && clipped(x, limit(1, "min", Number.NEGATIVE_INFINITY), limit(2, "max", Number.POSITIVE_INFINITY));
  },
  Concat: (_, operands) => (operands.every((x) => x) ? joined(operands as Moments[]) : undefined),
  Dropout: same,
  Flatten: same,
  GlobalAveragePool: same,
  Identity: same,
  MaxPool: same,
  Relu: (_, [x]) => x && clipped(x, 0, Number.POSITIVE_INFINITY),
  Reshape: same,
  Sum: sum,
};

function sum(_: GraphNode, operands: readonly (Moments | undefined)[]): Moments | undefined {
  const all = operands.filter((x): x is Moments => x !== undefined);
  if (all.length !== operands.length || all.some(({ mean }) => mean.length !== all[0]!.mean.length)) return undefined;
  return normal(
    all[0]!.mean.map((_, c) => all.reduce((total, { mean }) => total + mean[c]!, 0)),
    all[0]!.mean.map((_, c) => all.reduce((total, { variance }) => total + variance[c]!, 0)),
  );
}

function normalized(node: GraphNode, _: unknown, { initializers }: Graph): Moments | undefined {
  const [gamma, beta] = [initializers.get(node.inputs[1]!), initializers.get(node.inputs[2]!)];
  if (!gamma || !beta || intAttribute(node, "training_mode", 0) !== 0) return undefined;
  return normal(
    Float64Array.from(toFloat64(beta)),
    Float64Array.from(toFloat64(gamma), (x) => x * x),
  );
}

function normal(mean: Float64Array, variance: Float64Array): Moments {
  const ends = (sign: number): Float64Array => mean.map((m, c) => m + sign * reach * Math.sqrt(variance[c]!));
  return withEnds(mean, variance, ends(-1), ends(1));
}

/** Moments with the ends of all channels; 0 is always among what is quantized. */
export function withEnds(
  mean: Float64Array,
  variance: Float64Array,
  channelLow: Float64Array,
  channelHigh: Float64Array,
): Moments {
  return {
    ...{ mean, variance, channelLow, channelHigh },
    low: channelLow.reduce((a, b) => Math.min(a, b), 0),
    high: channelHigh.reduce((a, b) => Math.max(a, b), 0),
  };
}

function joined(parts: readonly Moments[]): Moments {
  const all = (of: (x: Moments) => Float64Array): Float64Array => Float64Array.from(parts.flatMap((x) => [...of(x)]));
  return withEnds(
    all(({ mean }) => mean),
    all(({ variance }) => variance),
    all(({ channelLow }) => channelLow),
    all(({ channelHigh }) => channelHigh),
  );
}

/** A layer without BatchNorm: E[Wx + b] = W E[x] + b; variances as if inputs were independent. */
function throughLayer(
  { mean, variance }: Moments,
  layer: ReturnType<typeof layersOf>["layers"][number],
  graph: Graph,
): Moments | undefined {
  const rows = rowsOf(layer, graph);
  const means = biasOf(layer, graph);
  const variances = new Float64Array(layer.outputs);
  const area = layer.kernel.reduce((a, b) => a * b, 1);
  const channels = layer.inputs / area;
  if (mean.length !== channels * layer.groups) return undefined;
  for (let i = 0; i < rows.length; i++) {
    const o = Math.floor(i / layer.inputs);
    const channel = Math.floor((o * layer.groups) / layer.outputs) * channels + Math.floor((i % layer.inputs) / area);
    means[o] = means[o]! + rows[i]! * mean[channel]!;
    variances[o] = variances[o]! + rows[i]! ** 2 * variance[channel]!;
  }
  return normal(means, variances);
}

/** Moments of a normal distribution clipped to [a, b] (appendix C of the paper). */
function clipped({ mean, variance, channelLow, channelHigh }: Moments, a: number, b: number): Moments {
  const means = mean.slice();
  const variances = variance.slice();
  for (let c = 0; c < mean.length; c++) {
    const [m, s] = [mean[c]!, Math.sqrt(variance[c]!)];
    if (s === 0) {
      means[c] = Math.min(b, Math.max(a, m));
      continue;
    }
    const [from, to] = [(a - m) / s, (b - m) / s];
    const [below, above] = [distribution(from), 1 - distribution(to)];
    const inside = Math.max(0, 1 - below - above);
    const atEnd = (limit: number, part: number): number => (part === 0 ? 0 : limit * part);
    const first = m * inside + s * (density(from) - density(to)) + atEnd(a, below) + atEnd(b, above);
    const tail = (x: number): number => (Number.isFinite(x) ? x * density(x) : 0);
    const second =
      (m * m + s * s) * inside +
      2 * m * s * (density(from) - density(to)) +
      s * s * (tail(from) - tail(to)) +
      atEnd(a * a, below) +
      atEnd(b * b, above);
    means[c] = first;
    variances[c] = Math.max(0, second - first * first);
  }
  const within = (x: number): number => Math.min(b, Math.max(a, x));
  return withEnds(means, variances, channelLow.map(within), channelHigh.map(within));
}

const density = (x: number): number => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);

/** Φ(x): Abramowitz and Stegun 7.1.26, to 1.5e-7. */
function distribution(x: number): number {
  if (!Number.isFinite(x)) return x > 0 ? 1 : 0;
  const t = 1 / (1 + 0.3275911 * (Math.abs(x) / Math.SQRT2));
  const tail =
    (t *
      (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))) *
      Math.exp((-x * x) / 2)) /
    2;
  return x > 0 ? 1 - tail : tail;
}
