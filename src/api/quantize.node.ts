import { type ComputeOptions, usingBackend } from "../backend/using-backend.node.js";
import {
  type AskedFacts,
  classifierInput,
  classifierOf,
  type NetClassifier,
  picturesOf,
} from "../classifier/net-classifier.js";
import { UserError } from "../core/errors.js";
import type { Preprocessing } from "../core/preprocessing.js";
import type { Dataset, SkippedFile } from "../data/dataset.js";
import { type OpenOptions, openDataset } from "../data/open-dataset.node.js";
import { createSession } from "../engine/session.js";
import { foldNet } from "../exchange/fold-net.js";
import { type Net, netOf } from "../exchange/net.js";
import { statedFacts } from "../exchange/picture-input.js";
import type { Graph } from "../graph/graph.js";
import type { Model } from "../nn/model.js";
import { checkCount, checkPictures, pictureLimits } from "../quantize/calibration-pictures.js";
import { causesOf } from "../quantize/causes.js";
import { layerReports } from "../quantize/layer-report.js";
import { layersOf } from "../quantize/layers.js";
import type { ClassOutput } from "../quantize/measure.js";
import { type Moments, withEnds } from "../quantize/moments.js";
import { withQuantizedEnvelope } from "../quantize/onnx-envelope.js";
import type { QuantizationPage } from "../quantize/page.js";
import { type QuantizationOptions, quantizeGraph } from "../quantize/quantize-graph.js";
import type { CalibrationBatch, CalibrationPictures, GraphRunner } from "../quantize/runner.js";
import { hasClassesOf } from "../recipe/classes.js";
import { spreadOver } from "../recipe/spread-over.js";
import { evaluationLoader } from "./datasets.node.js";

/** How a net is quantized, and on what. */
export interface QuantizeOptions extends QuantizationOptions, ComputeOptions, OpenOptions, AskedFacts {
  /** Pictures to calibrate on: a folder or known name (its training split), or a data set. Without any the net has to be in training form. */
  readonly data?: string | Dataset;
  /** Pictures of them that are looked at, spread evenly (default and at most 500). */
  readonly pictures?: number;
  /** Also measure what each layer costs alone (default false): two more runs over the pictures a layer. */
  readonly explain?: boolean;
  /** Told of what is done. */
  readonly onStep?: (step: string, done: number, total: number) => void;
}

/** A quantized net, and what was done. */
export interface Quantized {
  /** An ordinary graph with QuantizeLinear and DequantizeLinear nodes; see {@link saveNet}. */
  readonly net: Net;
  /** What was done, layer by layer too. */
  readonly report: QuantizationReport;
}

/** What quantization did. Plain JSON. */
export interface QuantizationReport extends QuantizationPage {
  /** Whether the pictures were labelled with the net's classes. */
  readonly labelled: boolean;
  /** Pictures that could not be read. */
  readonly skipped: readonly SkippedFile[];
}

/**
 * Post-training quantization: weights as whole numbers of 8 bits (or fewer), one scale an output channel; activations as uint8 with one scale and
 * zero point each; biases int32. A net in training form is folded first. What is done is chosen by what it does to the outputs on the pictures:
 * cross-layer equalization, the ranges of activations, rounding by what layers give, bias correction; layers that cost too much stay in float.
 * Without pictures the BatchNorms of the training form tell what activations are.
 * @throws UserError for nets and pictures that cannot be quantized or calibrated on
 */
export async function quantize(source: Model | Net, options: QuantizeOptions = {}): Promise<Quantized> {
  const given = "graph" in source ? source : netOf(source);
  const { data, onStep, explain = false, bits = 8, weightsOnly = false } = options;
  const folded = foldNet(given);
  const reader = readerOf(folded.net, options);
  const loaded = data === undefined ? undefined : await picturesIn(reader, data, options);
  const asFolded = given.source.form === "train" || folded.report.regions.length > 0;
  return usingBackend(options, async (backend) => {
    const runner: GraphRunner = { open: (graph, shape) => createSession(graph, { backend, shape, maxPlans: 2 }) };
    const result = await quantizeGraph(
      {
        ...{ graph: folded.net.graph, runner, pictures: loaded?.pictures, classes: reader.classes, onProgress: onStep },
        ...(given.graph.nodes.some(({ op }) => op === "BatchNormalization") && {
          statistics: { graph: given.graph, input: pictureMoments(reader.preprocessing) },
        }),
      },
      options,
    );
    const layers = await layerReports(result, runner, loaded?.pictures, {
      ...{ bits, alone: explain },
      onLayer: async (done, total) => onStep?.("layer by layer", done, total),
    });
    const measured = result.reference?.measure(result.graph);
    const report: QuantizationReport = {
      ...{ pictures: loaded?.pictures.count ?? 0, labelled: loaded?.labelled ?? false, bits, weightsOnly },
      ...(result.reference?.top1 !== undefined && { floatTop1: result.reference.top1 }),
      ...{ steps: result.steps, floatLayers: result.floatLayers, layers },
      ...(measured && { measured }),
      causes: causesOf(result.float, layersOf(result.float).layers, layers),
      bytes: { float: storedBytes(folded.net.graph), quantized: storedBytes(result.graph, bits) },
      notes: [...(asFolded ? ["the net was folded first: integers come of its plain form"] : []), ...reader.notes],
      skipped: loaded?.skipped ?? [],
    };
    return { net: quantizedNet(folded.net, result.graph), report };
  });
}

function quantizedNet(net: Net, graph: Graph): Net {
  const { source, envelope } = net;
  const notes = ["quantized"];
  const written = envelope && withQuantizedEnvelope(envelope, graph);
  return {
    graph,
    stated: statedFacts(net),
    ...(written && { envelope: written }),
    source: { format: envelope ? "onnx" : source.format, form: "plain", notes },
  };
}

/** What of a net reads pictures, and where it tells classes. */
interface PictureReader extends Pick<NetClassifier, "input" | "preprocessing" | "batch" | "notes"> {
  readonly classes: ClassOutput | undefined;
  readonly classNames: readonly string[];
}

function readerOf(net: Net, options: AskedFacts): PictureReader {
  const pictures = picturesOf(net, options);
  try {
    const found = classifierOf(net, options);
    const { classNames, outputName } = found;
    return { ...found, classes: { name: outputName, classes: classNames.length } };
  } catch (error) {
    // It reads pictures and makes something else of them.
    if (!(error instanceof UserError)) throw error;
    return { ...pictures, batch: pictures.input.fixedBatch, classes: undefined, classNames: [] };
  }
}

/** Pictures of a run: few enough that the values of one batch are no burden. */
const batchPictures = 25;

async function picturesIn(
  reader: PictureReader,
  data: string | Dataset,
  options: QuantizeOptions,
): Promise<{ pictures: CalibrationPictures; labelled: boolean; skipped: readonly SkippedFile[] }> {
  const { preprocessing, classNames, batch: fixed, input } = reader;
  const opened = typeof data === "string" ? await openDataset(data, "train", options) : data;
  const wanted = Math.min(options.pictures ?? pictureLimits.most, pictureLimits.most);
  const dataset = spreadOver(opened, wanted);
  checkCount(dataset.length, opened.name);
  const labelled = classNames.length > 0 && hasClassesOf({ metadata: { classNames } }, dataset);
  const batchSize = fixed ?? batchPictures;
  const batches: CalibrationBatch[] = [];
  const loader = evaluationLoader(dataset, { metadata: { preprocessing } }, { batchSize });
  try {
    for await (const { size, height, width, channels, images, labels } of loader.epoch(0)) {
      const kept = { size, height, width, channels, images: images.slice() };
      batches.push({
        input: () => classifierInput(reader, kept),
        size,
        labels: labelled || new Set(dataset.classNames).size === 1 ? labels.slice() : undefined,
      });
      options.onStep?.("pictures", batches.length * batchSize, dataset.length);
    }
  } finally {
    await loader.dispose();
  }
  const count = batches.reduce((sum, { size }) => sum + size, 0);
  const pictures = { inputName: input.name, count, batches };
  checkPictures(pictures, opened.name);
  return { pictures, labelled, skipped: [...loader.skipped] };
}

/** What normalized pictures are: about 0 with deviation 1, between black and white. */
function pictureMoments({ mean, std, channels }: Preprocessing): Moments {
  const all = (of: (c: number) => number): Float64Array => Float64Array.from({ length: channels }, (_, c) => of(c));
  return withEnds(
    all(() => 0),
    all(() => 1),
    all((c) => (0 - mean[c]!) / std[c]!),
    all((c) => (1 - mean[c]!) / std[c]!),
  );
}

function storedBytes({ initializers }: Graph, bits = 8): number {
  let sum = 0;
  for (const { dtype, shape, data } of initializers.values()) {
    const halved = bits <= 4 && dtype === "i8" && shape.length > 1;
    sum += halved ? Math.ceil(data.byteLength / 2) : data.byteLength;
  }
  return sum;
}
