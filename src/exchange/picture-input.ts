import { ShapeError, UserError } from "../core/errors.js";
import { type Preprocessing, usualPreprocessing } from "../core/preprocessing.js";
import { inferShapes } from "../graph/analyze/analyze.js";
import type { Dimension, Graph } from "../graph/graph.js";
import { graphInputs } from "../graph/graph-inputs.js";
import type { Net } from "./net.js";
import { inputShapes, withChannels } from "./net-inputs.js";
import { checkChannelOrder, factsInOnnx, onnxMetadata } from "./onnx-facts.js";
import { firstStated, modelFactsStated, type StatedFacts } from "./stated-facts.js";

/** The input of a graph that reads pictures. */
export interface PictureInput {
  readonly name: string;
  /** [N, C, H, W] (PyTorch's) or [N, H, W, C] (TensorFlow's). */
  readonly layout: "nchw" | "nhwc";
  readonly channels: 1 | 3;
  /** Whole numbers from 0 to 255 (uint8): the graph itself normalizes them. */
  readonly bytes: boolean;
  /** Height and width, where the graph fixes them. */
  readonly fixedSize: readonly [height: number | undefined, width: number | undefined];
  /** Pictures that every run takes, where the graph fixes it. */
  readonly fixedBatch: number | undefined;
}

/**
 * The one input of a graph, as pictures.
 * @throws UserError where the graph does not read pictures.
 */
export function pictureInputOf(graph: Graph): PictureInput {
  const inputs = graphInputs(graph);
  const [input] = inputs.map((found) => withChannels(found, graph));
  if (inputs.length !== 1 || input?.shape?.length !== 4 || !/^(b?f\d+|u8)$/.test(input.dtype)) throw noPictures(graph);
  const { name, dtype, shape } = input;
  const isChannels = (size: Dimension | undefined): size is 1 | 3 => size === 1 || size === 3;
  const last = shape[3];
  const layout = isChannels(last) && (!isChannels(shape[1]) || isTransposed(graph, name)) ? "nhwc" : "nchw";
  const [batch, ...others] = shape;
  const channels = layout === "nhwc" ? last : shape[1];
  const size = layout === "nhwc" ? others.slice(0, 2) : others.slice(1);
  if (!isChannels(channels)) throw noPictures(graph);
  const [height, width] = size.map((side) => (typeof side === "number" ? side : undefined));
  const fixedBatch = typeof batch === "number" ? batch : undefined;
  return { name, layout, channels, bytes: dtype === "u8", fixedSize: [height, width], fixedBatch };
}

/** Shape of a graph's input for so many pictures. */
export function pictureShape({ layout, channels }: PictureInput, batch: number, size: Preprocessing["size"]): number[] {
  return layout === "nhwc" ? [batch, ...size, channels] : [batch, channels, ...size];
}

/** What is stated of a net's pictures and classes: by its model, its file, or its ONNX metadata. */
export function statedFacts({ model, stated, envelope }: Pick<Net, "model" | "stated" | "envelope">): StatedFacts {
  if (model) return modelFactsStated(model);
  return firstStated(factsInOnnx(onnxMetadata(envelope)), stated);
}

/** How a net's pictures are prepared where nobody says: as ImageNet's are, at the size that the graph states or at which it runs. */
export function usualPictures(net: Net, input: PictureInput, stated: StatedFacts): Preprocessing {
  checkChannelOrder(onnxMetadata(net.envelope));
  const size = usualSize(net, input, stated);
  const usual = usualPreprocessing(
    input.channels,
    size,
    stated.preprocessing.size ? { size: stated.preprocessing.size } : {},
  );
  if (!input.bytes) return { ...usual, size };
  const all = (x: number): number[] => Array.from({ length: input.channels }, () => x);
  return { ...usual, size, mean: all(0), std: all(1 / 255) };
}

function usualSize(net: Net, input: PictureInput, { preprocessing }: StatedFacts): Preprocessing["size"] {
  const [height, width] = input.fixedSize;
  if (height !== undefined && width !== undefined) return [height, width];
  const usual = [height ?? 224, width ?? 224] as const;
  if (preprocessing.size || outputsAt(net.graph, input, 1, usual)) return usual;
  const shape = inputShapes(net, 1)[input.name] ?? [];
  return (input.layout === "nhwc" ? shape.slice(1, 3) : shape.slice(2)) as unknown as Preprocessing["size"];
}

/** Shapes of a graph's outputs for pictures of a size; undefined where its operands do not fit then. */
export function outputsAt(
  graph: Graph,
  input: PictureInput,
  batch: number,
  size: Preprocessing["size"],
): ReadonlyMap<string, readonly Dimension[] | undefined> | undefined {
  const shape = pictureShape(input, batch, size);
  const inputs = graph.inputs.map((found) => (found.name === input.name ? { ...found, shape } : found));
  try {
    const values = inferShapes({ ...graph, inputs });
    return new Map(graph.outputs.map(({ name, shape }) => [name, values.get(name)?.shape ?? shape]));
  } catch (error) {
    if (error instanceof ShapeError) return undefined;
    throw error;
  }
}

/** Whether the first that is done to the input is to bring its channels to the front. */
function isTransposed({ nodes }: Graph, input: string): boolean {
  const reader = nodes.find(({ inputs }) => inputs.includes(input));
  const perm = reader?.op === "Transpose" ? reader.attributes["perm"] : undefined;
  return perm?.type === "ints" && perm.value.join() === "0,3,1,2";
}

function noPictures(graph: Graph): UserError {
  return new UserError({
    expected: "a net with pictures of 1 or 3 channels as its one input",
    received:
      graphInputs(graph)
        .map(({ name, shape }) => `${name} [${shape?.join(", ") ?? "?"}]`)
        .join(", ") || "no input",
    remedy: "it can be compared on random inputs, but not asked about pictures",
  });
}
