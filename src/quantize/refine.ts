import { biasShift } from "./bias-correction.js";
import { graphOfForm, type LayerNumbers, type QuantizedForm } from "./form.js";
import { type GroupStatistics, sampleLayer } from "./layer-samples.js";
import { biasOf, type Layer, rowsOf } from "./layers.js";
import { readersOf } from "./points.js";
import { widenedForBias } from "./qdq.js";
import { Rounding } from "./rounding.js";
import type { CalibrationPictures, GraphRunner } from "./runner.js";
import { dequantizedRows, type QuantizedWeights, weightScales } from "./scales.js";

export interface RefineOptions {
  readonly bits: number;
  readonly perChannel: boolean;
  /** Weights are rounded by what the layer gives (see {@link Rounding}); false: they stay, biases alone move. */
  readonly rounding: boolean;
  /** Told before each layer. */
  readonly onLayer?: ((done: number, total: number, layer: string) => Promise<void> | void) | undefined;
}

/**
 * Goes through the layers in order, each with the inputs that the layers before it give when they are quantized, and chooses its whole numbers and its
 * bias so that it gives what the float net does: weights by {@link Rounding}, then the bias by {@link biasShift}.
 */
export async function refined(
  runner: GraphRunner,
  form: QuantizedForm,
  pictures: CalibrationPictures,
  options: RefineOptions,
): Promise<QuantizedForm> {
  const layers = form.layers.filter(({ name }) => form.numbers.has(name));
  const rectified = rectifiedLayers(form);
  let current = form;
  const set = (layer: Layer, numbers: LayerNumbers): void => {
    current = { ...current, numbers: new Map(current.numbers).set(layer.name, numbers) };
  };
  for (const [i, layer] of layers.entries()) {
    await options.onLayer?.(i, layers.length, layer.name);
    if (options.rounding) {
      const graph = graphOfForm(current);
      const read = graph.nodes.find(({ name }) => name === layer.name)!.inputs[0]!;
      const groups = sampleLayer(runner, form.graph, graph, layer, read, pictures);
      const weights = roundedWeights(form, layer, groups, options);
      set(layer, { weights, bias: meanBias(form, layer, groups, weights) });
    }
    if (layer.node.op === "MatMul") continue;
    const { weights, bias } = current.numbers.get(layer.name)!;
    const shift = biasShift(runner, form.graph, graphOfForm(current), layer, rectified.has(layer.name), pictures);
    set(layer, {
      weights,
      bias: fitting(
        form,
        layer,
        weights,
        bias.map((value, o) => value + shift[o]!),
      ),
    });
  }
  await options.onLayer?.(layers.length, layers.length, "");
  return current;
}

/** Layers that give their numbers to nobody but a ReLU. */
function rectifiedLayers({ graph, layers }: QuantizedForm): Set<string> {
  const readers = readersOf(graph);
  const alone = layers.filter(({ output }) => {
    const [reader, ...others] = readers.get(output) ?? [];
    return reader?.op === "Relu" && others.length === 0 && !graph.outputs.some(({ name }) => name === output);
  });
  return new Set(alone.map(({ name }) => name));
}

/** The bias with which the mean over all places is right. */
function meanBias(
  form: QuantizedForm,
  layer: Layer,
  groups: readonly GroupStatistics[],
  weights: QuantizedWeights,
): Float64Array {
  if (layer.node.op === "MatMul") return biasOf(layer, form.graph);
  const rows = dequantizedRows(weights);
  const outputsOfGroup = layer.outputs / layer.groups;
  const bias = Float64Array.from({ length: layer.outputs }, (_, o) => {
    const { meanX, meanY } = groups[Math.floor(o / outputsOfGroup)]!;
    let given = 0;
    for (let k = 0; k < layer.inputs; k++) given += rows[o * layer.inputs + k]! * meanX[k]!;
    return meanY[o % outputsOfGroup]! - given;
  });
  return fitting(form, layer, weights, bias);
}

/** A bias that has grown out of int32 at its layer's scales is no better than the one there was. */
function fitting(form: QuantizedForm, layer: Layer, { scales }: QuantizedWeights, bias: Float64Array): Float64Array {
  const input = form.scales.get(layer.input);
  const fits = !input || widenedForBias(scales, bias, input).every((scale, o) => scale === scales[o]);
  return fits ? bias : biasOf(layer, form.graph);
}

function roundedWeights(
  form: QuantizedForm,
  layer: Layer,
  groups: readonly GroupStatistics[],
  { bits, perChannel }: Pick<RefineOptions, "bits" | "perChannel">,
): QuantizedWeights {
  const { outputs, inputs } = layer;
  const rows = rowsOf(layer, form.graph);
  const roundings = groups.map((statistics) => new Rounding(statistics));
  const outputsOfGroup = outputs / layer.groups;
  const importances = roundings.map(({ importance }) => importance);
  const own = weightScales(rows, outputs, {
    ...{ bits, perChannel, search: bits < 8 && perChannel },
    importance: (o) => importances[Math.floor(o / outputsOfGroup)],
  });
  const input = form.scales.get(layer.input);
  const scales = input ? widenedForBias(own, biasOf(layer, form.graph), input) : own;
  const values = new Int8Array(rows.length);
  for (const [g, rounding] of roundings.entries()) {
    const [from, to] = [g * outputsOfGroup, (g + 1) * outputsOfGroup];
    values.set(rounding.round(rows.subarray(from * inputs, to * inputs), scales.slice(from, to), bits), from * inputs);
  }
  return { values, scales };
}
