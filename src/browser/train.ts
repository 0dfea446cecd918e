import { yieldToEvents } from "../core/yield.js";
import { classCounts } from "../data/class-counts.js";
import type { Batch, Dataset, Image } from "../data/dataset.js";
import { frameForEvaluation } from "../data/evaluation-transform.js";
import { createInThreadLoader, type Loader } from "../data/loader.js";
import type { Model } from "../nn/model.js";
import { balanceFor } from "../recipe/balance.js";
import { configFor, described, fitToData, type TrainFields } from "../recipe/training-setup.js";
import type { EpochRecord } from "../train/history.js";
import { trainLoop } from "../train/loop.js";
import { type ComputeOptions, usingBackend } from "./compute.js";
import { Gate } from "./gate.js";

/** One optimizer step that was done. */
export interface TrainStep {
  /** Optimizer steps done. */
  readonly step: number;
  /** Epochs done before this one. */
  readonly epoch: number;
  /** Optimizer steps done of this epoch. */
  readonly stepInEpoch: number;
  /** Of all epochs the same. */
  readonly stepsPerEpoch: number;
  /** Of this step's batch, as trained. */
  readonly loss: number;
}

/** A net in training, between two steps. */
export interface NetInTraining {
  /** The net as it is now, as a value. */
  model(): Model;
  /** Its logits for some pictures, [classes] each. */
  logits(pictures: readonly Image[]): Float32Array[];
}

export interface TrainOptions extends TrainFields, ComputeOptions {
  /** Ends the training after the step under way: what was learned until then is returned. */
  readonly signal?: AbortSignal;
  /** Training waits while it is closed. */
  readonly gate?: Gate;
  /** Told of each optimizer step that is done, with the net as it is then. */
  readonly onStep?: (step: TrainStep, net: NetInTraining) => void;
  /** Told of each epoch's losses and accuracies. */
  readonly onEpoch?: (record: EpochRecord) => void;
}

/** What a training gave. */
export interface TrainResult {
  /** The net after the last step (averaged weights where `ema` is on), in training form. */
  readonly model: Model;
  /** Epochs that were completed, in order. */
  readonly epochs: readonly EpochRecord[];
  /** Ended by the signal. */
  readonly interrupted: boolean;
}

/**
 * Trains a net on pictures in memory, on the calling thread and those of its kernels, and returns it trained. The same seed gives the
 * same weights, whatever the number of threads. A fresh net takes its class names, and mean and standard deviation of the
 * pictures, from the data; one that was trained before keeps its own.
 * @throws UserError for wrong options or data, or when the loss is not finite.
 */
export async function train(
  model: Model,
  sets: { readonly train: Dataset; readonly test: Dataset },
  options: TrainOptions = {},
): Promise<TrainResult> {
  const { backend: _, threads, kernels, relaxed, signal, gate = new Gate(), onStep, onEpoch, ...fields } = options;
  const counts = classCounts(sets.train);
  const config = configFor(model, { ...fields, balance: fields.balance ?? balanceFor(counts) });
  const start = await fitToData(model, sets.train, createInThreadLoader);
  const { size, channels, cropRatio } = start.metadata.preprocessing;
  const { batchSize, augmentation, seed } = config;
  const framing = { batchSize, size, channels, cropRatio, seed };
  const trainLoader = gated(createInThreadLoader(sets.train, { ...framing, augmentation }), gate);
  const testLoader = gated(createInThreadLoader(sets.test, framing), gate);
  const open = (): void => gate.open();
  signal?.addEventListener("abort", open);
  const epochs: EpochRecord[] = [];
  const { stepsPerEpoch } = trainLoader;
  try {
    return await usingBackend(options, async (backend) => {
      const {
        model: trained,
        position,
        interrupted,
      } = await trainLoop({
        ...{ backend, model: start, config, trainLoader, testLoader, classCounts: counts },
        ...(signal && { signal }),
        onStep: ({ step, epoch, stepInEpoch }, loss, trainer) =>
          onStep?.(
            { step, epoch, stepInEpoch, stepsPerEpoch, loss },
            {
              model: () => described(trainer.model(), sets.train, config, epoch),
              logits: (pictures) => eachLogits(trainer.logits(batchOf(pictures, framing)), pictures.length),
            },
          ),
        onRecord: (record) => {
          if (record.kind !== "epoch") return;
          epochs.push(record);
          onEpoch?.(record);
        },
      });
      return { model: described(trained, sets.train, config, position.epoch), epochs, interrupted };
    });
  } finally {
    signal?.removeEventListener("abort", open);
  }
}

/** A loader that waits at a gate before each batch, and lets messages in. */
function gated(loader: Loader, gate: Gate): Loader {
  async function* epoch(number: number, fromStep?: number): AsyncGenerator<Batch> {
    for await (const batch of loader.epoch(number, fromStep)) {
      await yieldToEvents();
      await gate.passage();
      yield batch;
    }
  }
  return { ...loader, epoch };
}

function batchOf(
  pictures: readonly Image[],
  framing: { readonly size: readonly [number, number]; readonly channels: 1 | 3; readonly cropRatio: number },
): Batch {
  const [height, width] = framing.size;
  const bytes = height * width * framing.channels;
  const images = new Uint8Array(pictures.length * bytes);
  for (const [i, picture] of pictures.entries()) images.set(frameForEvaluation(picture, framing).data, i * bytes);
  const none = new Int32Array(pictures.length);
  return { size: pictures.length, height, width, channels: framing.channels, images, labels: none, indices: none };
}

function eachLogits(logits: Float32Array, pictures: number): Float32Array[] {
  const classes = logits.length / pictures;
  return Array.from({ length: pictures }, (_, i) => logits.slice(i * classes, (i + 1) * classes));
}
