import type { Graph, GraphNode } from "../graph/graph.js";
import { biasOf, type Layer, rowsOf, withWeights } from "./layers.js";
import { readersOf } from "./points.js";
import type { ValueStatistics } from "./statistics.js";

/** Two layers between which every channel may be scaled, as long as its reader is scaled back. */
export interface Pair {
  readonly first: Layer;
  readonly second: Layer;
  /** Values between the two, the second's input last. */
  readonly values: readonly string[];
}

/** Operators f with f(s·x) = s·f(x) for s > 0, channel by channel (Nagel et al. 2019, section 4.1: ReLU and its kin, pools). */
const scaling = new Set([
  ...["AveragePool", "Dropout", "GlobalAveragePool", "GlobalMaxPool", "Identity", "LeakyRelu"],
  ...["MaxPool", "PRelu", "Relu"],
]);

/** Pools behind which a channel is one number, which a matrix may read. */
const toOne = new Set(["GlobalAveragePool", "GlobalMaxPool"]);
const flattening = new Set(["Flatten", "Reshape", "Squeeze"]);

/**
 * Pairs of layers with nothing between them but what scaling passes through, and where nobody else reads: there cross-layer
 * equalization changes no output.
 */
export function equalizablePairs(graph: Graph, layers: readonly Layer[]): Pair[] {
  const readers = readersOf(graph);
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const byNode = new Map(layers.map((layer) => [layer.name, layer]));
  return layers.flatMap((first) => {
    const values: string[] = [];
    let value = first.output;
    // Whether channels lie along axis 1 of a map, one number a channel of it, or along the last axis of rows.
    let lie: "map" | "ones" | "rows" = isMatrix(first) ? "rows" : "map";
    for (;;) {
      const [reader, ...others] = readers.get(value) ?? [];
      if (!reader || others.length > 0 || outputs.has(value) || reader.inputs.indexOf(value) !== 0) return [];
      values.push(value);
      const second = byNode.get(reader.name);
      if (second) {
        const fits = isMatrix(second) === (lie === "rows") && inputChannels(second) === first.outputs;
        return fits ? [{ first, second, values }] : [];
      }
      const flattens = flattening.has(reader.op) && lie === "ones";
      if (reader.domain !== "" || !(flattens || (scaling.has(reader.op) && (lie !== "rows" || !isPool(reader)))))
        return [];
      if (flattens) lie = "rows";
      else if (toOne.has(reader.op)) lie = "ones";
      value = reader.outputs[0]!;
    }
  });
}

const isMatrix = ({ kernel }: Layer): boolean => kernel.length === 0;
const isPool = ({ op }: GraphNode): boolean => op.endsWith("Pool");

/** Channels that a layer reads. */
function inputChannels({ groups, inputs, kernel }: Layer): number {
  return (inputs / kernel.reduce((a, b) => a * b, 1)) * groups;
}

/** What is made equal: the ranges of both weights (the paper), or the range of the activation between and of what reads it. */
export type EqualizationTarget = "weights" | "activations";

/** A scale may change by so much at most, over all sweeps: channels that are dead on both sides would run away. */
const most = 2 ** 20;

/**
 * Cross-layer equalization (Nagel et al., arXiv 1906.04721, section 4.1): channel i of a pair's first layer is divided by sᵢ = √(r₁ r₂) / r₂ and its reader
 * multiplied, where r₁ and r₂ are the ranges of the channel on both sides, until nothing changes. The function stays the same but for rounding.
 * @param sweeps over all pairs
 * @returns the graph, and by how much each value between layers was divided
 */
export function equalized(
  graph: Graph,
  pairs: readonly Pair[],
  target: EqualizationTarget,
  statistics: ReadonlyMap<string, ValueStatistics>,
  sweeps = 40,
): { readonly graph: Graph; readonly divisors: ReadonlyMap<string, Float64Array> } {
  const parts = new Map<string, Part>();
  const partOf = (layer: Layer): Part => {
    let part = parts.get(layer.name);
    if (!part) {
      part = { layer, rows: rowsOf(layer, graph), bias: biasOf(layer, graph) };
      parts.set(layer.name, part);
    }
    return part;
  };
  const divisors = new Map<string, Float64Array>();
  for (let sweep = 0; sweep < sweeps; sweep++) {
    let change = 0;
    for (const pair of pairs) {
      const last = pair.values.at(-1)!;
      const total = divisors.get(last) ?? new Float64Array(pair.first.outputs).fill(1);
      divisors.set(last, total);
      const [first, second] = [partOf(pair.first), partOf(pair.second)];
      const [one, two] = [rangesOf(first, target, statistics.get(last), total), inputRanges(second)];
      const scales = one.map((range, i) => scaleOf(range, two[i]!, total[i]!));
      for (const scale of scales) change = Math.max(change, Math.abs(Math.log2(scale)));
      divideOutputs(first, scales);
      multiplyInputs(second, scales);
      for (let i = 0; i < total.length; i++) total[i] = total[i]! * scales[i]!;
    }
    if (change < 1e-3) break;
  }
  return { graph: withWeights(graph, [...parts.values()]), divisors };
}

interface Part {
  readonly layer: Layer;
  readonly rows: Float64Array;
  readonly bias: Float64Array;
}

/** s = √(r₁ r₂) / r₂; 1 where a channel is dead on one side. Powers of two would be exact, and gain less. */
function scaleOf(one: number, two: number, already: number): number {
  if (!(one > 0 && two > 0)) return 1;
  const scale = Math.sqrt(one * two) / two;
  return Math.min(most / already, Math.max(1 / most / already, scale));
}

/** By output channel: the largest weight, or the largest activation behind it. */
function rangesOf(
  { layer, rows }: Part,
  target: EqualizationTarget,
  statistics: ValueStatistics | undefined,
  divided: Float64Array,
): Float64Array {
  if (target === "activations" && statistics) {
    return divided.map((by, c) => Math.max(-statistics.channelLow[c]!, statistics.channelHigh[c]!, 0) / by);
  }
  const ranges = new Float64Array(layer.outputs);
  for (let i = 0; i < rows.length; i++) {
    const o = Math.floor(i / layer.inputs);
    ranges[o] = Math.max(ranges[o]!, Math.abs(rows[i]!));
  }
  return ranges;
}

/** By input channel: the largest weight that reads it. */
function inputRanges(part: Part): Float64Array {
  const ranges = new Float64Array(inputChannels(part.layer));
  eachInput(part, (at, channel) => {
    ranges[channel] = Math.max(ranges[channel]!, Math.abs(part.rows[at]!));
  });
  return ranges;
}

function divideOutputs({ layer, rows, bias }: Part, scales: Float64Array): void {
  for (let i = 0; i < rows.length; i++) rows[i] = rows[i]! / scales[Math.floor(i / layer.inputs)]!;
  for (let o = 0; o < bias.length; o++) bias[o] = bias[o]! / scales[o]!;
}

function multiplyInputs(part: Part, scales: Float64Array): void {
  eachInput(part, (at, channel) => {
    part.rows[at] = part.rows[at]! * scales[channel]!;
  });
}

/** Every weight with the input channel that it is multiplied with. */
function eachInput({ layer, rows }: Part, each: (at: number, channel: number) => void): void {
  const area = layer.kernel.reduce((a, b) => a * b, 1);
  const channels = layer.inputs / area;
  const outputsOfGroup = layer.outputs / layer.groups;
  for (let i = 0; i < rows.length; i++) {
    const group = Math.floor(Math.floor(i / layer.inputs) / outputsOfGroup);
    each(i, group * channels + Math.floor((i % layer.inputs) / area));
  }
}
