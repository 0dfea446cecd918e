import type { Backend } from "../backend/backend.js";
import type { Batch } from "../data/dataset.js";
import { createInThreadLoader, type Loader } from "../data/loader.js";
import { memoryDataset } from "../data/memory-dataset.js";
import type { Model } from "../nn/model.js";
import { createNetwork } from "../nn/network.js";
import { Tape } from "../tensor/tape.js";
import type { TrainConfig } from "./config.js";
import { freezingOf } from "./freezing.js";
import { inputTensor } from "./loss.js";
import type { FeatureBatch } from "./training-batch.js";

/** What the frozen part of a net makes of each picture of a data set. */
export interface Features {
  /** Of one picture: [H,W,C], or [C] where all but the head is frozen. */
  readonly shape: readonly number[];
  /** [pictures][…shape] */
  readonly values: Float32Array;
  readonly labels: Int32Array;
  /** Index in the data set of each picture: broken ones are missing. */
  readonly indices: Int32Array;
}

/** Memory that features may take by default: beyond it they are computed in every step. */
const defaultBytes = 2 ** 29;

/** Whether the frozen part sees the same picture in every epoch, so that its features can be kept: nothing is varied or mixed. */
export function seesSamePictures({
  augmentation: { crop, flip = 0, randAugment, colorJitter, erasing },
  mixup,
  cutmix,
}: Pick<TrainConfig, "augmentation" | "mixup" | "cutmix">): boolean {
  const varied = crop || flip > 0 || randAugment || colorJitter || (erasing && erasing.probability > 0);
  return !varied && mixup === 0 && cutmix === 0;
}

/**
 * Runs the frozen part of a net over all pictures of a loader, in its order.
 * @param options.pictures how many there are at most
 * @param options.maxBytes memory that the features may take; default 512 MiB
 * @param options.onPictures told of the pictures done
 * @returns undefined where they would take more memory, or the signal came
 */
export async function computeFeatures(
  backend: Backend,
  model: Model,
  config: Pick<TrainConfig, "freeze" | "batchNorm">,
  loader: Loader,
  options: {
    readonly pictures: number;
    readonly maxBytes?: number;
    readonly signal?: AbortSignal;
    readonly onPictures?: (done: number) => void;
  },
): Promise<Features | undefined> {
  const { pictures, maxBytes = defaultBytes, signal, onPictures } = options;
  const network = createNetwork(backend, model, { freezing: freezingOf(model.architecture, config) });
  const tape = new Tape(backend);
  const labels = new Int32Array(pictures);
  const indices = new Int32Array(pictures);
  let [shape, values]: [readonly number[], Float32Array] = [[], new Float32Array()];
  let done = 0;
  try {
    for await (const batch of loader.epoch(0)) {
      const x = tape.noGradient(() => network.features(tape, inputTensor(tape, batch, model.metadata.preprocessing)));
      const length = x.size / batch.size;
      if (done === 0) {
        if (pictures * length * 4 > maxBytes) return undefined;
        shape = x.shape.slice(1);
        values = new Float32Array(pictures * length);
      }
      values.set(x.toArray(), done * length);
      tape.reset();
      labels.set(batch.labels, done);
      indices.set(batch.indices, done);
      done += batch.size;
      onPictures?.(done);
      if (signal?.aborted) return undefined;
    }
    const length = done === 0 ? 0 : values.length / pictures;
    return {
      shape,
      values: values.subarray(0, done * length),
      labels: labels.subarray(0, done),
      indices: indices.subarray(0, done),
    };
  } finally {
    tape.dispose();
    network.dispose();
  }
}

/**
 * A loader of features in place of pictures: the same batches, in the same order, as a loader of the pictures with these options gives
 * (where none is broken).
 * @param options.shuffle for training: each epoch in its own order, short batches left out
 */
export function featureLoader(
  { shape, values, labels, indices }: Features,
  options: { readonly name: string; readonly batchSize: number; readonly seed: number; readonly shuffle: boolean },
): Loader<FeatureBatch> {
  const { name, batchSize, seed, shuffle } = options;
  // Labels say nothing of the order: one class will do for all.
  const pixels = new Uint8Array(labels.length);
  const places = memoryDataset({ name, classNames: ["any"], channels: 1, height: 1, width: 1, pixels, labels: pixels });
  const order = createInThreadLoader(places, { batchSize, seed, shuffle, size: [1, 1], channels: 1 });
  const length = shape.reduce((product, size) => product * size, 1);
  const gathered = ({ size, indices: at }: Batch): FeatureBatch => {
    const features = new Float32Array(size * length);
    at.forEach((place, i) => {
      features.set(values.subarray(place * length, (place + 1) * length), i * length);
    });
    return {
      size,
      shape,
      features,
      labels: at.map((place) => labels[place]!),
      indices: at.map((place) => indices[place]!),
    };
  };
  async function* epoch(number: number, fromStep?: number): AsyncGenerator<FeatureBatch> {
    for await (const batch of order.epoch(number, fromStep)) yield gathered(batch);
  }
  return { ...order, epoch };
}
