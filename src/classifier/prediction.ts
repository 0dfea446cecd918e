import type { Preprocessing } from "../core/preprocessing.js";
import type { Image } from "../data/dataset.js";
import { evalTransform } from "../data/evaluation-transform.js";
import type { SessionTensor } from "../engine/session.js";
import { type FramedPictures, graphInput } from "./input.js";

/** One class that a picture may show. */
export interface Prediction {
  /** Its place among the logits. */
  readonly classIndex: number;
  /** Of the class, as the net's file calls it. */
  readonly name: string;
  /** Softmax of the logits, in [0, 1]. */
  readonly probability: number;
  /** Of a net that returns probabilities: the logarithm of this one. */
  readonly logit: number;
}

/** What a net says of one picture. */
export interface Classification {
  /** The likeliest first, as many as were asked for. */
  readonly predictions: readonly Prediction[];
  /** [classes] */
  readonly logits: Float32Array;
  /** Time of the framing and resizing, and of the net, in milliseconds. */
  readonly preprocessMilliseconds: number;
  /** Time of the net in milliseconds; of pictures that went through it together, that of them all. */
  readonly netMilliseconds: number;
}

/** What is asked about a picture. */
export interface ClassifyOptions {
  /** Classes to return, the likeliest first. Default 5. */
  readonly topK?: number;
  /** Rejects at once with the signal's reason; a call that has not begun is dropped. */
  readonly signal?: AbortSignal;
}

/** A decoded picture as the input of a net [1, C, H, W] (or [1, H, W, C]): framed, resized and normalized as the net wants it. */
export function pictureInput(
  picture: Image,
  preprocessing: Preprocessing,
  layout: "nchw" | "nhwc" = "nchw",
): SessionTensor {
  return graphInput(framed(picture, preprocessing), preprocessing, layout);
}

/** A decoded picture framed and resized as the net wants it, as a batch of one. */
export function framed(picture: Image, preprocessing: Preprocessing): FramedPictures {
  const [height, width] = preprocessing.size;
  const images = evalTransform(picture, preprocessing);
  return { size: 1, height, width, channels: preprocessing.channels, images };
}

/** The `top` highest logits [classes] with their softmax; equal ones in the order of the classes. */
export function likeliest(logits: Float32Array, classNames: readonly string[], top: number): Prediction[] {
  const probabilities = softmax(logits);
  return Array.from(logits, (logit, classIndex) => ({
    classIndex,
    name: classNames[classIndex]!,
    probability: probabilities[classIndex]!,
    logit,
  }))
    .sort((a, b) => b.logit - a.logit)
    .slice(0, top);
}

/** Softmax of logits [classes]. */
export function softmax(logits: Float32Array): Float64Array {
  const max = logits.reduce((a, b) => Math.max(a, b));
  const exponentials = Float64Array.from(logits, (x) => Math.exp(x - max));
  const sum = exponentials.reduce((a, b) => a + b);
  return exponentials.map((x) => x / sum);
}
