import { quantile } from "../core/statistics.js";
import { graphOfForm, type QuantizedForm } from "./form.js";
import { type Layer, rowsOf } from "./layers.js";
import type { Measured } from "./measure.js";
import type { QuantizedResult } from "./quantize-graph.js";
import { type CalibrationPictures, type GraphRunner, runOver, withOutputs } from "./runner.js";
import { decibels, dequantizedRows } from "./scales.js";
import { counted } from "./statistics.js";

/** What quantization meets in one layer, and what it makes of it. Plain JSON. */
export interface LayerReport {
  /** Of its node. */
  readonly name: string;
  /** "Conv 3×3", with its groups where it has some. */
  readonly kind: string;
  /** Output channels. */
  readonly outputs: number;
  /** Number of its weights. */
  readonly weights: number;
  /** Bits of its weights; undefined where it stays in float. */
  readonly bits: number | undefined;
  /** Why it stays in float. */
  readonly reason?: string;
  /** That its input's 8 bits cover; absent where only weights are quantized. */
  readonly range?: readonly [low: number, high: number];
  /** Channels of its input that reach more than 8 times as far as the median one. */
  readonly outlierChannels: readonly number[];
  /** Largest weight of any output channel by the median channel's largest, before any cure: what one scale a layer has to span. */
  readonly weightSpread: number;
  /** Output channels without weights to speak of. */
  readonly deadChannels: readonly number[];
  /** Signal to noise of the weights: at the nearest with one scale a layer, and as they are written. */
  readonly weightDecibels: { readonly before: number; readonly after: number };
  /** Signal to noise of what the layer gives in the quantized net; absent without pictures. */
  readonly outputDecibels?: number;
  /** The net with this layer alone quantized: with one scale a layer and no cure, and as it is written. Where it was asked for. */
  readonly alone?: { readonly before: Measured; readonly after: Measured };
  /** Histogram of its input on the pictures (in 64 parts of its whole range), for pictures; empty without. */
  readonly histogram: { readonly low: number; readonly high: number; readonly counts: readonly number[] } | undefined;
}

const outlierFactor = 8;

/** A channel whose largest weight is below so much of the median channel's is dead. */
const deadPart = 1e-4;

export interface LayerReportOptions {
  readonly bits: number;
  /** Also quantize each layer alone: two runs over the pictures a layer. */
  readonly alone?: boolean;
  readonly onLayer?: ((done: number, total: number) => Promise<void>) | undefined;
}

/** All layers of a quantized net, in order. */
export async function layerReports(
  result: QuantizedResult,
  runner: GraphRunner,
  pictures: CalibrationPictures | undefined,
  options: LayerReportOptions,
): Promise<LayerReport[]> {
  const { form, naive, float, floatLayers, statistics, reference } = result;
  const outputs = pictures ? outputDecibels(result, runner, pictures) : undefined;
  const reasons = new Map(floatLayers.map(({ name, reason }) => [name, reason]));
  const reports: LayerReport[] = [];
  for (const [i, layer] of form.layers.entries()) {
    await options.onLayer?.(i, form.layers.length);
    const own = form.numbers.get(layer.name);
    const scale = form.scales.get(layer.input);
    const before = naive.layers.find(({ name }) => name === layer.name)!;
    const reason = reasons.get(layer.name);
    const seen = statistics.get(layer.input);
    const only = new Set([layer.name]);
    reports.push({
      name: layer.name,
      kind: kindOf(layer),
      outputs: layer.outputs,
      weights: layer.outputs * layer.inputs,
      bits: own && options.bits,
      ...(!own && reason !== undefined && { reason }),
      ...(own && scale && { range: [-scale.zero * scale.scale, (255 - scale.zero) * scale.scale] as const }),
      outlierChannels: seen ? outliers(seen.channelLow, seen.channelHigh) : [],
      ...weightFacts(before, rowsOf(before, float)),
      weightDecibels: {
        before: naive.numbers.has(layer.name) ? weightDecibels(naive, before) : Number.POSITIVE_INFINITY,
        after: own ? weightDecibels(form, layer) : Number.POSITIVE_INFINITY,
      },
      ...(outputs && { outputDecibels: outputs.get(layer.name)! }),
      ...(options.alone &&
        reference &&
        own && {
          alone: {
            before: reference.measure(graphOfForm(naive, only)),
            after: reference.measure(graphOfForm(form, only)),
          },
        }),
      histogram: seen && { low: seen.low, high: seen.high, counts: merged(seen.histogram, 64) },
    });
  }
  await options.onLayer?.(form.layers.length, form.layers.length);
  return reports;
}

function kindOf({ node, kernel, groups, outputs }: Layer): string {
  const size = kernel.length > 0 ? ` ${kernel.join("×")}` : "";
  return `${node.op}${size}${groups === 1 ? "" : groups === outputs ? ", depthwise" : `, ${groups} groups`}`;
}

function weightFacts(layer: Layer, rows: Float64Array): Pick<LayerReport, "weightSpread" | "deadChannels"> {
  const largest = Array.from({ length: layer.outputs }, (_, o) =>
    rows
      .subarray(o * layer.inputs, (o + 1) * layer.inputs)
      .reduce((most, weight) => Math.max(most, Math.abs(weight)), 0),
  );
  const median = quantile(largest, 0.5);
  return {
    weightSpread: median > 0 ? Math.max(...largest) / median : Number.POSITIVE_INFINITY,
    deadChannels: largest.flatMap((value, o) => (value <= deadPart * median ? [o] : [])),
  };
}

function outliers(low: Float64Array, high: Float64Array): number[] {
  const reach = Array.from(low, (value, c) => Math.max(-value, high[c]!));
  const median = quantile(reach, 0.5);
  return median > 0 ? reach.flatMap((value, c) => (value > outlierFactor * median ? [c] : [])) : [];
}

function weightDecibels(form: QuantizedForm, layer: Layer): number {
  const rows = rowsOf(layer, form.graph);
  const rounded = dequantizedRows(form.numbers.get(layer.name)!.weights);
  let [signal, noise] = [0, 0];
  for (let i = 0; i < rows.length; i++) {
    signal += rows[i]! ** 2;
    noise += (rows[i]! - rounded[i]!) ** 2;
  }
  return decibels(signal, noise);
}

/** Signal to noise of every layer's output: the quantized net against the float net of the same scales, each run from the picture on. */
function outputDecibels(
  { form, graph }: QuantizedResult,
  runner: GraphRunner,
  pictures: CalibrationPictures,
): Map<string, number> {
  const names = form.layers.map(({ output }) => output);
  const sums = names.map(() => ({ signal: 0, noise: 0 }));
  const shapes = { [pictures.inputName]: pictures.batches[0]!.input().shape };
  const right = runner.open(withOutputs(form.graph, names), shapes);
  try {
    runOver(runner, withOutputs(graph, names), pictures, (values, batch) => {
      const wanted = right.run({ [pictures.inputName]: batch.input() });
      for (const [i, name] of names.entries()) {
        const [x, y] = [counted(wanted[name]!, batch.size).data, counted(values[name]!, batch.size).data];
        let [signal, noise] = [0, 0];
        for (let k = 0; k < x.length; k++) {
          signal += x[k]! * x[k]!;
          noise += (x[k]! - y[k]!) ** 2;
        }
        sums[i]!.signal += signal;
        sums[i]!.noise += noise;
      }
    });
  } finally {
    right.dispose();
  }
  return new Map(form.layers.map(({ name }, i) => [name, decibels(sums[i]!.signal, sums[i]!.noise)]));
}

function merged(histogram: Float64Array, parts: number): number[] {
  const counts = new Array<number>(parts).fill(0);
  for (const [i, count] of histogram.entries()) {
    const at = Math.floor((i * parts) / histogram.length);
    counts[at] = counts[at]! + count;
  }
  return counts;
}
