import type { Graph } from "../graph/graph.js";
import { biasOf, type Layer, layersOf, rowsOf } from "./layers.js";
import type { QuantizationPoints } from "./points.js";
import { quantizedGraph, widenedForBias } from "./qdq.js";
import { chooseRange, type RangeMethod } from "./ranges.js";
import {
  type ActivationScale,
  activationScale,
  nearestWeights,
  type QuantizedWeights,
  weightScales,
} from "./scales.js";
import type { ValueStatistics } from "./statistics.js";

/** Numbers of a layer: whole weights, and the bias that goes with them. */
export interface LayerNumbers {
  readonly weights: QuantizedWeights;
  readonly bias: Float64Array;
}

/** A net on its way to integers: everything that the written graph is made of. */
export interface QuantizedForm {
  /** The float net, equalized maybe. */
  readonly graph: Graph;
  readonly layers: readonly Layer[];
  /** Of activations; none where only weights are quantized. */
  readonly scales: ReadonlyMap<string, ActivationScale>;
  /** By layer; layers that are not in it stay in float. */
  readonly numbers: ReadonlyMap<string, LayerNumbers>;
}

/** How weights are rounded. */
export interface WeightOptions {
  readonly bits: number;
  readonly perChannel: boolean;
}

/** The scales of all values of a graph that are quantized. @param ranges of the values; those of the graph's inputs are kept whole */
export function activationScales(
  { values, shares }: QuantizationPoints,
  ranges: (value: string) => readonly [low: number, high: number] | undefined,
): Map<string, ActivationScale> {
  const scales = new Map<string, ActivationScale>();
  for (const value of values) {
    const range = ranges(shares.get(value) ?? value);
    if (range) scales.set(value, activationScale(range));
  }
  return scales;
}

/** Ranges by what was seen on pictures: of inputs all of it, since their range is the pixels'. */
export function observedRanges(
  graph: Graph,
  statistics: ReadonlyMap<string, ValueStatistics>,
  method: RangeMethod,
): (value: string) => readonly [number, number] | undefined {
  const inputs = new Set(graph.inputs.map(({ name }) => name));
  return (value) => {
    const found = statistics.get(value);
    return found && chooseRange(found, inputs.has(value) ? "min-max" : method);
  };
}

/** Every layer's weights at their nearest whole numbers. @param kept names of layers that stay in float */
export function nearestForm(
  graph: Graph,
  scales: ReadonlyMap<string, ActivationScale>,
  { bits, perChannel }: WeightOptions,
  kept: ReadonlySet<string> = new Set(),
): QuantizedForm {
  const { layers } = layersOf(graph);
  const numbers = new Map<string, LayerNumbers>();
  for (const layer of layers) {
    if (kept.has(layer.name)) continue;
    const rows = rowsOf(layer, graph);
    const bias = biasOf(layer, graph);
    const own = weightScales(rows, layer.outputs, { bits, perChannel, search: bits < 8 && perChannel });
    const input = scales.get(layer.input);
    const wide = input ? widenedForBias(own, bias, input) : own;
    numbers.set(layer.name, { weights: nearestWeights(rows, wide, bits), bias });
  }
  return { graph, layers, scales, numbers };
}

/** The graph of a form. @param only layers that are quantized, the others stay in float (default all that can be) */
export function graphOfForm(form: QuantizedForm, only?: ReadonlySet<string>): Graph {
  const chosen = form.layers.filter(({ name }) => form.numbers.has(name) && (!only || only.has(name)));
  const read = new Set(chosen.map(({ input }) => input));
  const scales = only ? new Map([...form.scales].filter(([value]) => read.has(value))) : form.scales;
  return quantizedGraph(
    form.graph,
    chosen.map((layer) => ({ layer, ...form.numbers.get(layer.name)! })),
    scales,
  );
}

/** The form with some more layers in float, and without scales that no integers need any more. */
export function withFloatLayers(form: QuantizedForm, names: ReadonlySet<string>): QuantizedForm {
  return { ...form, numbers: new Map([...form.numbers].filter(([name]) => !names.has(name))) };
}
