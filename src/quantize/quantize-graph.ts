import { UserError } from "../core/errors.js";
import { yieldToEvents } from "../core/yield.js";
import type { Graph } from "../graph/graph.js";
import { type EqualizationTarget, equalizablePairs, equalized } from "./equalize.js";
import {
  activationScales,
  graphOfForm,
  nearestForm,
  observedRanges,
  type QuantizedForm,
  type WeightOptions,
} from "./form.js";
import { biasOf, type Layer, layersOf, rowsOf } from "./layers.js";
import { type ClassOutput, type Measured, Reference } from "./measure.js";
import { freeLayers } from "./mixed-precision.js";
import { type Moments, momentsOf, withEnds } from "./moments.js";
import { quantizationPoints } from "./points.js";
import { checkBounds, prepared } from "./prepare.js";
import { type RangeMethod, rangeMethods } from "./ranges.js";
import { refined } from "./refine.js";
import type { CalibrationPictures, GraphRunner } from "./runner.js";
import { dequantizedRows } from "./scales.js";
import { observe, type ValueStatistics } from "./statistics.js";
import type { FloatLayer, QuantizationStep } from "./steps.js";

/** How a net is quantized; what is left out is chosen by what it does to the outputs on the calibration pictures. */
export interface QuantizationOptions {
  /** Bits of the weights, 2 to 8 (default 8). Activations have 8. */
  readonly bits?: number;
  /** One scale for each output channel's weights (default true), or one a layer. */
  readonly perChannel?: boolean;
  /** How ranges of activations are chosen. Default: the method after which the outputs are nearest to the float net's. */
  readonly ranges?: RangeMethod;
  /** Cross-layer equalization: of weights, of activations, or none. Default: what leaves the outputs nearest. */
  readonly equalize?: EqualizationTarget | "none";
  /** Move biases so that the mean of every output channel is right (default true where it helps). */
  readonly correctBias?: boolean;
  /** Round weights by what the layers give (AdaRound's objective; default) or to the nearest number. */
  readonly rounding?: "adaptive" | "nearest";
  /** Names of layers that stay in float: nodes, or "first" and "last". */
  readonly keepFloat?: readonly string[];
  /** Leave layers in float whose rounding costs too much (default true); false: all that can be become integers. */
  readonly mixedPrecision?: boolean;
  /** Quantize weights alone: activations stay float, and any engine runs the net as it is. */
  readonly weightsOnly?: boolean;
}

/** A quantized graph and how it came to be. */
export interface QuantizedResult {
  readonly graph: Graph;
  readonly form: QuantizedForm;
  /** The float net that it is compared with, before any step. */
  readonly float: Graph;
  readonly steps: readonly QuantizationStep[];
  readonly floatLayers: readonly FloatLayer[];
  /** The float net at its nearest whole numbers, one scale a layer, ranges from end to end: what the steps began with. */
  readonly naive: QuantizedForm;
  /** By value of the float net; empty without pictures. */
  readonly statistics: ReadonlyMap<string, ValueStatistics>;
  readonly reference: Reference | undefined;
}

/** What is quantized, on what. */
export interface QuantizationSubject {
  /** Folded. */
  readonly graph: Graph;
  readonly runner: GraphRunner;
  readonly pictures?: CalibrationPictures | undefined;
  /** Where there are no pictures: the net with its BatchNorms, and what is known of its input. */
  readonly statistics?: { readonly graph: Graph; readonly input: Moments } | undefined;
  readonly classes?: ClassOutput | undefined;
  /** Told of every step and of the parts of long ones. */
  readonly onProgress?: ((step: string, done: number, total: number) => void) | undefined;
}

/**
 * Post-training quantization of a graph: equalization, ranges, rounding and biases, each chosen by what it does to the outputs.
 * @throws UserError for nets that cannot be quantized, with the reason
 */
export async function quantizeGraph(
  subject: QuantizationSubject,
  options: QuantizationOptions = {},
): Promise<QuantizedResult> {
  const float = prepared(subject.graph);
  const { layers, left } = layersOf(float);
  const kept = keptLayers(layers, options.keepFloat ?? []);
  if (!options.weightsOnly) {
    checkBounds(
      float,
      layers.filter(({ name }) => !kept.has(name)),
    );
  }
  const asked = [...kept].map((name) => ({ name, reason: "asked for" }));
  const floatLayers = [...left.filter(({ name }) => !kept.has(name)), ...asked];
  const work = { ...subject, float, kept, options, floatLayers };
  return subject.pictures ? onPictures(work, subject.pictures) : withoutPictures(work);
}

interface Work extends QuantizationSubject {
  readonly float: Graph;
  readonly kept: ReadonlySet<string>;
  readonly options: QuantizationOptions;
  readonly floatLayers: readonly FloatLayer[];
}

async function onPictures(work: Work, pictures: CalibrationPictures): Promise<QuantizedResult> {
  const { float, runner, options, kept, onProgress } = work;
  const { bits = 8, perChannel = true, weightsOnly = false } = options;
  const steps: QuantizationStep[] = [];
  const tell = async (step: string, done = 0, total = 1): Promise<void> => {
    onProgress?.(step, done, total);
    await yieldToEvents();
  };
  await tell("float net");
  const reference = new Reference(runner, float, pictures, work.classes);
  const points = pointsOf(float, kept, weightsOnly);
  const seen = observe(runner, float, pictures, points.values);
  const weights: WeightOptions = { bits, perChannel };
  const formOf = (
    graph: Graph,
    statistics: ReadonlyMap<string, ValueStatistics>,
    method: RangeMethod,
    how = weights,
  ): QuantizedForm =>
    nearestForm(graph, activationScales(points, observedRanges(graph, statistics, method)), how, kept);
  const measure = async (name: string, form: QuantizedForm): Promise<Measured> => {
    await tell(name);
    const measured = reference.measure(graphOfForm(form));
    steps.push({ name, measured, kept: false });
    return measured;
  };
  const keep = (name: string): void => {
    const at = steps.findLastIndex((step) => step.name === name);
    steps[at] = { ...steps[at]!, kept: true };
  };

  const method = options.ranges ?? "min-max";
  const roundedBy = (part: "layer" | "channel"): string => `to nearest, a scale a ${part}, ${method}`;
  const naive = formOf(float, seen, method, { bits, perChannel: false });
  if (perChannel) await measure(roundedBy("layer"), naive);
  const start = roundedBy(perChannel ? "channel" : "layer");
  let best: Candidate = { name: start, graph: float, statistics: seen, method };
  let least = Number.POSITIVE_INFINITY;
  const consider = async (candidate: Candidate): Promise<void> => {
    const form = formOf(candidate.graph, candidate.statistics, candidate.method);
    const { noise } = await measure(candidate.name, form);
    if (noise < least) [least, best] = [noise, candidate];
  };
  await consider(best);
  const pairs = equalizablePairs(float, layers(float, kept));
  for (const target of targetsOf(options, pairs.length, weightsOnly)) {
    const { graph } = equalized(float, pairs, target, seen);
    const statistics = observe(runner, graph, pictures, points.values);
    if (options.equalize === target) least = Number.POSITIVE_INFINITY;
    await consider({ ...best, name: `cross-layer equalization (${target})`, graph, statistics });
  }
  keep(best.name);
  if (!weightsOnly && options.ranges === undefined) {
    const { name: before } = best;
    for (const other of rangeMethods) {
      if (other !== best.method) await consider({ ...best, name: `ranges: ${other}`, method: other });
    }
    if (best.name !== before) keep(best.name);
  }
  let form = formOf(best.graph, best.statistics, best.method);
  const refinements = [
    ...(options.correctBias === false ? [] : [{ name: "bias correction", rounding: false }]),
    ...(options.rounding === "nearest"
      ? []
      : [{ name: "rounding by what layers give, and bias correction", rounding: true }]),
  ];
  const nearest = form;
  for (const { name, rounding } of refinements) {
    const onLayer = (done: number, total: number) => tell(name, done, total);
    const tried = await refined(runner, nearest, pictures, { bits, perChannel, rounding, onLayer });
    const { noise } = await measure(name, tried);
    if (noise >= least) continue;
    [least, form] = [noise, tried];
    for (const [i, step] of steps.entries())
      if (refinements.some((other) => other.name === step.name)) steps[i] = { ...step, kept: false };
    keep(name);
  }
  const freed = options.mixedPrecision === false ? undefined : await freeLayers(form, reference, tell);
  if (freed) {
    form = freed.form;
    steps.push({
      name: `in float: ${freed.layers.map(({ name }) => name).join(", ")}`,
      measured: freed.measured,
      kept: true,
    });
  }
  const floatLayers = [...work.floatLayers, ...(freed?.layers ?? [])];
  return { graph: graphOfForm(form), form, naive, float, steps, floatLayers, statistics: seen, reference };
}

interface Candidate {
  readonly name: string;
  readonly graph: Graph;
  readonly statistics: ReadonlyMap<string, ValueStatistics>;
  readonly method: RangeMethod;
}

/** Without pictures: the paper's way, from BatchNorm's statistics. Nothing can be measured. */
function withoutPictures(work: Work): QuantizedResult {
  const { float, options, kept, statistics: source } = work;
  const { bits = 8, perChannel = true, weightsOnly = false, equalize = "weights" } = options;
  const moments = source ? momentsOf(source.graph, source.input) : new Map<string, Moments>();
  const points = pointsOf(float, kept, weightsOnly);
  const inputs = new Set(float.inputs.map(({ name }) => name));
  const unknown = points.values.filter((value) => !points.shares.has(value) && !moments.has(value));
  const missing = unknown.find((value) => !inputs.has(value)) ?? unknown[0];
  if (missing !== undefined) {
    throw new UserError({
      expected:
        "pictures to calibrate on (--data FOLDER), or a net in training form, whose BatchNorms tell what its activations are",
      received: `no picture, and no BatchNorm that tells of "${missing}"`,
      remedy: "give some 100 to 500 pictures, or the net before it was folded; --weights-only needs neither",
    });
  }
  const target = equalize === "activations" ? "weights" : equalize;
  const pairs = target === "none" ? [] : equalizablePairs(float, layers(float, kept));
  const { graph, divisors } = equalized(float, pairs, "weights", new Map());
  const scaled = new Map([...moments].map(([name, found]) => [name, divided(found, divisorOf(name, pairs, divisors))]));
  const scales = activationScales(points, (value) => {
    const found = scaled.get(value);
    return found && [found.low, found.high];
  });
  const nearest = nearestForm(graph, scales, { bits, perChannel }, kept);
  const form = options.correctBias === false ? nearest : corrected(nearest, scaled);
  const steps = [
    ...(pairs.length > 0 ? [{ name: "cross-layer equalization (weights)", kept: true }] : []),
    ...(weightsOnly ? [] : [{ name: "ranges: mean ± 6 deviations of BatchNorm", kept: true }]),
    ...(form === nearest ? [] : [{ name: "bias correction by BatchNorm's means", kept: true }]),
  ];
  const { floatLayers } = work;
  const naive = nearestForm(float, new Map(), { bits, perChannel: false }, kept);
  return {
    graph: graphOfForm(form),
    form,
    naive,
    float,
    steps,
    floatLayers,
    statistics: new Map(),
    reference: undefined,
  };
}

/** b − Σ (w̃ − w) E[x] (section 4.2). Layers whose inputs nothing is known of keep theirs. */
function corrected(form: QuantizedForm, moments: ReadonlyMap<string, Moments>): QuantizedForm {
  const numbers = new Map(form.numbers);
  for (const layer of form.layers) {
    const own = numbers.get(layer.name);
    const input = moments.get(layer.input);
    if (!own || !input || layer.node.op === "MatMul") continue;
    const [rows, rounded] = [rowsOf(layer, form.graph), dequantizedRows(own.weights)];
    const bias = biasOf(layer, form.graph);
    const area = layer.kernel.reduce((a, b) => a * b, 1);
    const channels = layer.inputs / area;
    if (input.mean.length !== channels * layer.groups) continue;
    for (let i = 0; i < rows.length; i++) {
      const o = Math.floor(i / layer.inputs);
      const group = Math.floor((o * layer.groups) / layer.outputs);
      const mean = input.mean[group * channels + Math.floor((i % layer.inputs) / area)]!;
      bias[o] = bias[o]! - (rounded[i]! - rows[i]!) * mean;
    }
    numbers.set(layer.name, { ...own, bias });
  }
  return { ...form, numbers };
}

function divisorOf(
  value: string,
  pairs: ReturnType<typeof equalizablePairs>,
  divisors: ReadonlyMap<string, Float64Array>,
): Float64Array | undefined {
  const pair = pairs.find(({ values }) => values.includes(value));
  return pair && divisors.get(pair.values.at(-1)!);
}

function divided(moments: Moments, by: Float64Array | undefined): Moments {
  if (!by) return moments;
  const mean = moments.mean.map((m, c) => m / by[c]!);
  const variance = moments.variance.map((v, c) => v / by[c]! ** 2);
  const [low, high] = [moments.channelLow, moments.channelHigh].map((ends) => ends.map((end, c) => end / by[c]!));
  return withEnds(mean, variance, low!, high!);
}

const layers = (graph: Graph, kept: ReadonlySet<string>): Layer[] =>
  layersOf(graph).layers.filter(({ name }) => !kept.has(name));

function pointsOf(
  graph: Graph,
  kept: ReadonlySet<string>,
  weightsOnly: boolean,
): ReturnType<typeof quantizationPoints> {
  return weightsOnly ? { values: [], shares: new Map() } : quantizationPoints(graph, layers(graph, kept));
}

function targetsOf(
  { equalize, perChannel = true }: QuantizationOptions,
  pairs: number,
  weightsOnly: boolean,
): readonly EqualizationTarget[] {
  if (pairs === 0 || equalize === "none") return [];
  if (equalize) return [equalize];
  return weightsOnly || !perChannel ? ["weights"] : ["weights", "activations"];
}

/** @throws UserError for a name that no layer has */
function keptLayers(layers: readonly Layer[], names: readonly string[]): Set<string> {
  return new Set(
    names.map((name) => {
      const found =
        name === "first" ? layers[0] : name === "last" ? layers.at(-1) : layers.find((layer) => layer.name === name);
      if (found) return found.name;
      throw new UserError({
        expected: `names of layers to keep in float (first, last, ${layers
          .slice(0, 4)
          .map((layer) => layer.name)
          .join(", ")}${layers.length > 4 ? ", …" : ""})`,
        received: `"${name}"`,
        remedy: "repvgg quantize --explain lists all of them",
      });
    }),
  );
}
