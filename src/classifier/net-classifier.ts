import { UserError } from "../core/errors.js";
import type { PartialPreprocessing, Preprocessing } from "../core/preprocessing.js";
import type { SessionTensor } from "../engine/session.js";
import { classifierOutput, type OutputKind } from "../exchange/classifier-output.js";
import { type Net, netOf } from "../exchange/net.js";
import {
  outputsAt,
  type PictureInput,
  pictureInputOf,
  pictureShape,
  statedFacts,
  usualPictures,
} from "../exchange/picture-input.js";
import {
  assumptionNotes,
  checkFacts,
  completed,
  firstStated,
  type PictureFacts,
  type StatedFacts,
} from "../exchange/stated-facts.js";
import type { Model } from "../nn/model.js";
import { type FramedPictures, graphInput } from "./input.js";

/** What may be said of a net's pictures and classes instead of, or beyond, its file. */
export interface AskedFacts {
  /** How pictures are prepared, in part or whole. */
  readonly preprocessing?: PartialPreprocessing;
  /** In the order of the net's outputs. */
  readonly classNames?: readonly string[];
}

/** Any net that says what a picture shows, ready to be run and read. Plain data. */
export interface NetClassifier extends PictureFacts {
  readonly graph: Net["graph"];
  readonly input: PictureInput;
  readonly outputName: string;
  readonly gives: OutputKind;
  /** Pictures of every run, where the graph takes no other number; fewer are filled up with zeros by {@link classifierInput}. */
  readonly batch: number | undefined;
  /** What was assumed and chosen, in sentences; some may be among `source.notes` of the net too. */
  readonly notes: readonly string[];
}

/**
 * A net as a classifier: a RepVGG, or any graph with one input of pictures ([N, C, H, W] or [N, H, W, C]) and an output
 * [N, classes] (logits, or what a Softmax made of them). Class names and preprocessing are what is asked for, else what the file says, else
 * what is usual, which `notes` tell.
 * @throws UserError for a net that reads no pictures or names no classes, and options that do not fit it.
 */
export function classifierOf(from: Model | Net, options: AskedFacts = {}): NetClassifier {
  const net = "graph" in from ? from : netOf(from);
  const { graph } = net;
  const { input, stated, usual } = askedPictures(net, options);
  const size = stated.preprocessing.size ?? usual.size;
  const { output, gives, classes, notes } = classifierOutput(graph, (batch) => outputsAt(graph, input, batch, size));
  checkFacts(askedFacts(options), input.channels, classes);
  const { notes: unfit, ...facts } = completed(stated, usual, classes);
  return {
    ...facts,
    ...{ graph, input, outputName: output, gives, batch: batchOf(graph, input, size, output) },
    notes: [...notes, ...unfit, ...assumptionNotes(facts)],
  };
}

/** How any net's pictures are prepared, whatever it makes of them. */
export interface NetPictures extends Pick<PictureFacts, "preprocessing" | "assumed"> {
  readonly input: PictureInput;
  /** What was assumed, in sentences. */
  readonly notes: readonly string[];
}

/**
 * What is asked for, else what the file says, else what is usual.
 * @throws UserError for a net that reads no pictures, and options that do not fit it.
 */
export function picturesOf(net: Net, options: Pick<AskedFacts, "preprocessing"> = {}): NetPictures {
  const { input, stated, usual } = askedPictures(net, options);
  const { notes, ...facts } = completed(stated, usual, undefined);
  return { ...facts, input, notes: [...notes, ...assumptionNotes(facts)] };
}

interface AskedPictures {
  readonly input: PictureInput;
  readonly stated: StatedFacts;
  readonly usual: Preprocessing;
}

function askedPictures(net: Net, options: AskedFacts): AskedPictures {
  const input = pictureInputOf(net.graph);
  const asked = askedFacts(options);
  checkFacts(asked, input.channels);
  checkSize(asked.preprocessing, input);
  const stated = firstStated(asked, withFixedSize(statedFacts(net), input));
  return { input, stated, usual: net.model ? net.model.metadata.preprocessing : usualPictures(net, input, stated) };
}

function askedFacts({ preprocessing = {}, classNames }: AskedFacts): StatedFacts {
  return { preprocessing, ...(classNames && { classNames }) };
}

/** Shape of the classifier's input for so many pictures: what a session is made for. */
export function classifierShape({ input, preprocessing, batch }: NetClassifier, pictures: number): number[] {
  return pictureShape(input, batch ?? pictures, preprocessing.size);
}

/**
 * Framed pictures as the classifier's input, in its layout, normalized.
 * @param pictures [pictures][height][width][channels], 8 bits
 * @param into memory for it, at least as large; a new array by default
 */
export function classifierInput(
  { input, preprocessing, batch }: Pick<NetClassifier, "input" | "preprocessing" | "batch">,
  pictures: FramedPictures,
  into?: Float32Array,
): SessionTensor {
  const { layout, bytes } = input;
  const tensor = graphInput(pictures, preprocessing, layout, into);
  const { data: values } = tensor;
  if (bytes) for (let i = 0; i < values.length; i++) values[i] = Math.min(255, Math.max(0, Math.round(values[i]!)));
  if (batch === undefined || batch === pictures.size) return tensor;
  if (pictures.size > batch) {
    throw new UserError({
      expected: `at most ${batch} pictures a run, which the net fixes`,
      received: `${pictures.size}`,
    });
  }
  const data = new Float32Array((tensor.data.length / pictures.size) * batch);
  data.set(tensor.data);
  return { shape: [batch, ...tensor.shape.slice(1)], data };
}

/**
 * What the net gave, as logits [pictures][classes]: of probabilities their logarithms, whose softmax they are.
 * @param pictures those that were asked about, where the run was filled up
 */
export function classifierLogits(
  { gives, classNames }: Pick<NetClassifier, "gives" | "classNames">,
  { data }: SessionTensor,
  pictures: number,
): Float32Array {
  const values = data.subarray(0, pictures * classNames.length);
  // A probability that rounding made 0 counts as the smallest that float32 has.
  return gives === "logits" ? values : values.map((p) => Math.log(Math.max(p, 2 ** -126)));
}

/** @throws UserError for another size than the graph fixes. */
function checkSize({ size }: PartialPreprocessing, { fixedSize: [height, width] }: PictureInput): void {
  if (!size || ((height ?? size[0]) === size[0] && (width ?? size[1]) === size[1])) return;
  throw new UserError({
    expected: `pictures of ${height ?? "any"}×${width ?? "any"}, which the graph fixes`,
    received: `a size of ${size.join("×")}`,
    remedy: "leave the size out, or export the net with open sizes",
  });
}

/** What a file states: a size that the graph fixes is stated by it. */
function withFixedSize(stated: StatedFacts, { fixedSize: [height, width] }: PictureInput): StatedFacts {
  if (height === undefined || width === undefined) return stated;
  return { ...stated, preprocessing: { ...stated.preprocessing, size: [height, width] } };
}

/** The batch that the graph fixes: by its input, or further down (a Reshape to one row). */
function batchOf(
  graph: Net["graph"],
  input: PictureInput,
  size: Preprocessing["size"],
  output: string,
): number | undefined {
  if (input.fixedBatch !== undefined) return input.fixedBatch;
  const two = outputsAt(graph, input, 2, size)?.get(output);
  return two?.[0] === 2 || typeof two?.[0] === "string" ? undefined : 1;
}
