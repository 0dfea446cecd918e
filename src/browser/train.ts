import type { Backend } from "../backend/backend.js";
import { yieldToEvents } from "../core/yield.js";
import { classCounts } from "../data/class-counts.js";
import type { Batch, Dataset, Image } from "../data/dataset.js";
import { frameForEvaluation } from "../data/evaluation-transform.js";
import { holdOut, validationPartFor, validationTwice } from "../data/hold-out.js";
import { createInThreadLoader, type Loader } from "../data/loader.js";
import type { Model } from "../nn/model.js";
import { balanceFor } from "../recipe/balance.js";
import { configFor, described, fitToData, type TrainFields } from "../recipe/training-setup.js";
import type { TrainConfig } from "../train/config.js";
import type { EpochRecord, EpochScore } from "../train/history.js";
import { trainLoop } from "../train/loop.js";
import { Trainer } from "../train/trainer.js";
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
  /**
   * Part of each class's training pictures that judges epochs instead of being trained on, from 0 (none) to below 1. Default: `validation`
   * of the sets, else 0.1 of 1,000 training pictures and more, of fewer 0.
   */
  readonly validation?: number;
  /** Ends the training after the step under way: what was learned until then is returned. */
  readonly signal?: AbortSignal;
  /** Training waits while it is closed. */
  readonly gate?: Gate;
  /** Told of each optimizer step that is done, with the net as it is then. */
  readonly onStep?: (step: TrainStep, net: NetInTraining) => void;
  /** Told of each epoch's losses, and how it did on the validation pictures. */
  readonly onEpoch?: (record: EpochRecord) => void;
}

/** What a training gave. */
export interface TrainResult {
  /**
   * The net of the epoch that the validation pictures chose; without any, with `choose: "last"` or ended by the signal that of the last
   * step; averaged weights where `ema` is on; in training form.
   */
  readonly model: Model;
  /** Epochs that were completed, in order. */
  readonly epochs: readonly EpochRecord[];
  /** The epoch whose net `model` is; undefined where the signal ended the training. */
  readonly chosen: EpochRecord | undefined;
  /** How `model` does on the test pictures, which nothing else looked at; null: ended by the signal, or there are none. */
  readonly test: EpochScore | null;
  /** Ended by the signal. */
  readonly interrupted: boolean;
  /** Ended before its last epoch, because in `patience` epochs in a row no more validation pictures were right. */
  readonly stoppedEarly: boolean;
}

/** What a net is trained on, what its epochs are judged by, and what it is tested on once. */
export interface TrainingPictures {
  /** To learn from. */
  readonly train: Dataset;
  /** That judge every epoch. */
  readonly validation?: Dataset;
  /** That are looked at once, at the end. */
  readonly test?: Dataset;
}

/**
 * Trains a net on pictures in memory, on the calling thread and those of its kernels, and returns it trained. The same seed gives the
 * same weights, whatever the number of threads. A fresh net takes its class names, and mean and standard deviation of the
 * pictures, from the data; one that was trained before keeps its own. Validation pictures judge every epoch and choose the net; the test
 * pictures are looked at once, with that net, at the end.
 * @throws UserError for wrong options or data, or when the loss is not finite.
 */
export async function train(model: Model, given: TrainingPictures, options: TrainOptions = {}): Promise<TrainResult> {
  const { backend: _, threads, kernels, relaxed, signal, gate = new Gate(), ...rest } = options;
  const { onStep, onEpoch, validation: part, ...fields } = rest;
  const { seed } = configFor(model, fields); // throws before anything is computed
  const sets = withValidation(given, part, seed);
  const counts = classCounts(sets.train);
  const config = configFor(model, { ...fields, balance: fields.balance ?? balanceFor(counts) });
  const start = await fitToData(model, sets.train, createInThreadLoader);
  const { size, channels, cropRatio } = start.metadata.preprocessing;
  const { batchSize, augmentation } = config;
  const framing = { batchSize, size, channels, cropRatio, seed };
  const trainLoader = gated(createInThreadLoader(sets.train, { ...framing, augmentation }), gate);
  const inOrder = (set: Dataset | undefined): Loader | undefined =>
    set && gated(createInThreadLoader(set, framing), gate);
  const validationLoader = inOrder(sets.validation);
  const open = (): void => gate.open();
  signal?.addEventListener("abort", open);
  const epochs: EpochRecord[] = [];
  const { stepsPerEpoch } = trainLoader;
  try {
    return await usingBackend(options, async (backend) => {
      let best: Model | undefined;
      const { position, interrupted, stoppedEarly, ...last } = await trainLoop({
        ...{ backend, model: start, config, trainLoader, validationLoader, classCounts: counts },
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
        onBest: async (found) => {
          if (config.choose === "best") best = found;
        },
      });
      const epoch = (!interrupted && best && position.best?.epoch) || position.epoch;
      const trained = described((!interrupted && best) || last.model, sets.train, config, epoch);
      const common = { model: trained, epochs, interrupted, stoppedEarly };
      if (interrupted) return { ...common, chosen: undefined, test: null };
      const testLoader = inOrder(sets.test);
      const test = testLoader ? await scored(backend, trained, config, testLoader) : null;
      return { ...common, chosen: epochs.find((record) => record.epoch === epoch), test };
    });
  } finally {
    signal?.removeEventListener("abort", open);
  }
}

/** @throws UserError for a part beside validation pictures, or classes too small to be divided */
function withValidation(sets: TrainingPictures, asked: number | undefined, seed: number): TrainingPictures {
  const part = sets.validation ? (asked ?? 0) : (asked ?? validationPartFor(sets.train));
  if (part === 0) return sets;
  if (sets.validation) throw validationTwice(sets.validation, part);
  const { train: own, test: validation } = holdOut(sets.train, part, seed, "validation");
  return { ...sets, train: own, validation };
}

async function scored(backend: Backend, model: Model, config: TrainConfig, loader: Loader): Promise<EpochScore> {
  const trainer = new Trainer(backend, model, { ...config, ema: 0 });
  try {
    const { loss, top1, top5 } = await trainer.evaluate(loader.epoch(0));
    return { loss, top1, top5 };
  } finally {
    trainer.dispose();
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
