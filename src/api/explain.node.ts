import { type ComputeOptions, usingBackend } from "../backend/using-backend.node.js";
import type { Picture } from "../classifier/picture.js";
import { decodePicture } from "../classifier/picture.node.js";
import { likeliest, type Prediction } from "../classifier/prediction.js";
import { nearest, UserError } from "../core/errors.js";
import type { Preprocessing } from "../core/preprocessing.js";
import type { Image } from "../data/dataset.js";
import { frameForEvaluation } from "../data/evaluation-transform.js";
import { enlarge } from "../data/image.js";
import { gradCam, spreadMap } from "../nn/grad-cam.js";
import type { Model } from "../nn/model.js";
import { createNetwork, type Network } from "../nn/network.js";
import { heatOverlay } from "../report/heat-overlay.js";
import { normalizeImages } from "../tensor/ops/normalize-images.js";
import { Tape } from "../tensor/tape.js";

export interface ExplainOptions extends ComputeOptions {
  /** The class to explain, by name or index. Default: the likeliest. */
  readonly class?: string | number;
  /** The stage whose output is looked at, from 0. Default: the last, which says most about the class; earlier ones are finer. */
  readonly stage?: number;
  /** Pixels of `map`, `picture` and `overlay` a pixel of the net's input. Default 1. */
  readonly scale?: number;
}

/** Where a picture shows a class, for a net. */
export interface Explanation extends Prediction {
  /** The stage that was looked at, from 0. */
  readonly stage: number;
  /** The map as the stage has it: [height][width], in units of the logit, never below 0. */
  readonly cells: { readonly height: number; readonly width: number; readonly values: readonly number[] };
  /** [height][width] of `picture`: the cells, bilinear between their centres, as shares of the largest; all 0 where none is above 0. */
  readonly map: Float32Array;
  /** What the net saw: the picture resized and cropped. */
  readonly picture: Image;
  /** The map in colours over the picture in grey. */
  readonly overlay: Image;
}

/**
 * Where in a picture a net, in either form, sees a class: Grad-CAM (Selvaraju et al., 2017) by the tape's gradients. At the last
 * stage, which only a mean and a linear layer follow, it equals CAM with the classifier's weights (Zhou et al., 2016).
 * @param picture path or address, encoded bytes, or pixels: see {@link Picture}
 * @throws UserError when the picture cannot be read, or there is no such class or stage.
 */
export async function explain(model: Model, picture: Picture, options: ExplainOptions = {}): Promise<Explanation> {
  const [result] = await explainAll(model, [picture], options);
  return result!;
}

/** {@link explain} of several pictures with one network. */
export async function explainAll(
  model: Model,
  pictures: readonly Picture[],
  options: ExplainOptions = {},
): Promise<Explanation[]> {
  const chosen = options.class === undefined ? undefined : classIndex(model, options.class);
  const images = await Promise.all(pictures.map(decodePicture));
  return usingBackend(options, (backend) => {
    const network = createNetwork(backend, model);
    const tape = new Tape(backend);
    try {
      return images.map((image) => explainOne(model, network, tape, image, chosen, options));
    } finally {
      tape.dispose();
      network.dispose();
    }
  });
}

function explainOne(
  model: Model,
  network: Network,
  tape: Tape,
  image: Image,
  chosen: number | undefined,
  { stage = model.architecture.depths.length, scale = 1 }: ExplainOptions,
): Explanation {
  const { preprocessing, classNames } = model.metadata;
  const { size, channels } = preprocessing;
  const framed = frameForEvaluation(image, preprocessing);
  try {
    const input = normalizeImages(tape, framed.data, [1, ...size, channels], preprocessing);
    const cam = gradCam(
      tape,
      network,
      input,
      (logits) => chosen ?? likeliest(logits, classNames, 1)[0]!.classIndex,
      stage,
    );
    const map = spreadMap(cam, size, scale);
    const seen = enlarged(image, framed, preprocessing, scale);
    const prediction = likeliest(cam.logits, classNames, classNames.length).find(
      (p) => p.classIndex === cam.classIndex,
    )!;
    const { height, width, values } = cam;
    return {
      ...prediction,
      stage,
      cells: { height, width, values: [...values] },
      map,
      picture: seen,
      overlay: heatOverlay(seen, map),
    };
  } finally {
    tape.reset();
  }
}

/** The picture as the net saw it, enlarged: with more detail where the picture has it, else each pixel as a square. */
function enlarged(image: Image, framed: Image, preprocessing: Preprocessing, scale: number): Image {
  const [height, width] = preprocessing.size.map((side) => side * scale) as [number, number];
  const { cropRatio } = preprocessing;
  const detailed = image.height * cropRatio >= height && image.width * cropRatio >= width;
  return detailed ? frameForEvaluation(image, { ...preprocessing, size: [height, width] }) : enlarge(framed, scale);
}

/** Capital letters do not count where one name only is meant. */
function placeOfName(names: readonly string[], wanted: string): number {
  const exact = names.indexOf(wanted);
  if (exact >= 0) return exact;
  const same = names.flatMap((name, i) => (name.toLowerCase() === wanted.toLowerCase() ? [i] : []));
  return same.length === 1 ? same[0]! : -1;
}

function classIndex({ metadata: { classNames } }: Model, wanted: string | number): number {
  const byName = typeof wanted === "string" ? placeOfName(classNames, wanted) : -1;
  const index = byName >= 0 ? byName : /^\d+$/.test(String(wanted)) ? Number(wanted) : -1;
  if (index >= 0 && index < classNames.length) return index;
  const near = nearest(String(wanted), classNames);
  throw new UserError({
    expected: `a class of the model, by name or from 0 to ${classNames.length - 1}`,
    received: `"${wanted}"`,
    remedy: near ? `did you mean "${near}"?` : "repvgg info MODEL lists them",
  });
}
