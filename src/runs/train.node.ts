import type { TrainAndTest } from "../api/datasets.node.js";
import type { TrainingSets } from "../api/training-sets.js";
import { trainingSets } from "../api/training-sets.node.js";
import { usingBackend } from "../backend/using-backend.node.js";
import { UserError } from "../core/errors.js";
import type { Model } from "../nn/model.js";
import { decodeModel, encodeModel } from "../nn/model-file.js";
import { checkClasses } from "../recipe/classes.js";
import { configFor, type TrainFields } from "../recipe/training-setup.js";
import { checkPatience } from "../train/choosing.js";
import { trainConfig } from "../train/config.js";
import { DivergenceError } from "../train/divergence.js";
import { RunDirectory } from "../train/run-directory.node.js";
import { changeLength } from "./change-length.node.js";
import { prepareTraining, readTraining } from "./prepare.node.js";
import type { TrainProcessOptions } from "./process-options.node.js";
import { type RunSetup, readSetup } from "./run-setup.node.js";
import { runTraining, type TrainResult } from "./run-training.node.js";
import type { TrainFrom } from "./start-from.node.js";

export type {
  AugmentationConfig,
  AugmentationPreset,
  ColorJitter,
  PadAndCrop,
  RandAugment,
  RandomErasing,
  RandomResizedCrop,
} from "../data/augmentation/config.js";
export type { BalanceMode } from "../train/balance-modes.js";
export type { BestEpoch, RunPosition } from "../train/checkpoint.js";
export type { Freeze, TrainConfig } from "../train/config.js";
export type { EpochRecord, EpochScore } from "../train/history.js";
export type { TrainProcessOptions } from "./process-options.node.js";
export type { TrainResult } from "./run-training.node.js";
export type { TrainFrom } from "./start-from.node.js";

export interface TrainOptions extends TrainProcessOptions, TrainFields {
  /** Folder of the run: config, checkpoints, logs, pictures. Left out: nothing is written. */
  readonly out?: string;
  /**
   * Part of each class that is held out for testing where the data has no test split, from 0 (none) to below 1.
   * Default 0.1, of fewer than 500 pictures 0.2.
   */
  readonly holdOut?: number;
  /**
   * Part of each class's training pictures that judges epochs instead of being trained on, from 0 (none) to below 1. Default: pictures of
   * their own where there are any (`validation` of data sets, a folder's val/), else 0.1 of 1,000 training pictures and more, of fewer 0.
   */
  readonly validation?: number;
}

/**
 * Trains a net on pictures and returns it trained. The same seed gives the same weights, whatever the number of threads.
 * A fresh net takes its class names, and mean and standard deviation of the pictures, from the data; one that was
 * trained before keeps its own. Fewer pictures than a batch of 128 make smaller batches. A training that fails before its first
 * step leaves no folder.
 *
 * `{ from }` begins with a net that was trained on other pictures: a model, a file, or what a hub calls it, in either form. It keeps its
 * preprocessing; where classes differ it gets a new head (rows of classes of the same name stay), where it is plain its branches again;
 * options that are not given are chosen by the number of pictures. `onRemark` is told all of this.
 *
 * Where there are validation pictures (see `validation`), each epoch is judged by them and the net is that of the latest one that they cannot tell from the best (`choose`); without
 * any it is the last epoch's. The test pictures are looked at once, with that net, at the end.
 * @param start a net of these classes, or a net to begin from
 * @param data a folder, a known name ("fashion-mnist"), or data sets.
 * @throws UserError for wrong options or data, or when the loss is not finite (the last checkpoint stays).
 */
export async function train(
  start: Model | TrainFrom,
  data: string | TrainAndTest | TrainingSets,
  options: TrainOptions = {},
): Promise<TrainResult> {
  const { out, signal, command, settings, onStep, onRemark } = options;
  const fields = fieldsOf(options);
  const training = await readTraining(start, fields);
  if (out !== undefined) RunDirectory.checkNew(out);
  const sets = await trainingSets(data, { ...options, seed: training.asked.seed });
  for (const note of sets.train.notes ?? []) onRemark?.(note);
  checkPatience(training.asked, sets.validation?.length ?? 0);
  const prepared = await prepareTraining(training, sets, fields);
  for (const remark of prepared.remarks) onRemark?.(remark);
  configFor(prepared.model, prepared.fields); // throws before anything is computed
  if (signal?.aborted) {
    const nothing = { epochs: [], chosen: undefined, test: null, recalibration: null, stoppedEarly: false };
    return { model: prepared.model, interrupted: true, ...nothing, skipped: [], warnings: [], out: undefined };
  }
  return usingBackend(options, async (backend) => {
    const { model: begun, fields: whole, remarks } = await prepared.complete(backend);
    for (const remark of remarks) onRemark?.(remark);
    const config = configFor(begun, whole);
    if (out === undefined) return runTraining(begun, sets, config, { ...options, backend }, undefined, undefined);
    const initial = encodeModel(begun);
    const { arithmetic } = backend;
    const setup: RunSetup = {
      ...{
        model: initial.metadata,
        data: sets.origin ?? null,
        validation: sets.validationPart ?? "given",
        config,
        arithmetic,
      },
      ...(command !== undefined && { command }),
      ...(settings && { options: settings }),
    };
    const run = await RunDirectory.create(out, setup, initial);
    let steps = 0;
    const counted = (...step: Parameters<NonNullable<typeof onStep>>): void => {
      steps++;
      onStep?.(...step);
    };
    try {
      return await runTraining(begun, sets, config, { ...options, backend, onStep: counted }, run, undefined);
    } catch (error) {
      if (steps === 0 || error instanceof DivergenceError) run.discardWithoutCheckpoint();
      throw error;
    }
  });
}

/** The settings among the options: what is left without those of the process and the data. */
export function fieldsOf(options: TrainOptions): TrainFields {
  const { out, holdOut, validation, strict, onProgress, pathColumn, labelColumn, splitColumn, ...others } = options;
  const { backend, threads, kernels, relaxed, workers, signal, checkpointSeconds, ...further } = others;
  const { onStep, onEpoch, onDecode, onFeatures, onTest, onSkip, onRemark, report, command, settings, ...fields } =
    further;
  return fields;
}

/** Of a run whose epochs were chosen by the test pictures. */
const olderRun =
  "the run was begun by a version that chose its epoch by the test pictures: nothing is chosen any more, and the net will be the last epoch's";

export interface ResumeOptions extends TrainProcessOptions {
  /**
   * Another number of epochs, more than are done. From the step where the run stands the learning rate is that of a run of so many: of a
   * run that had ended a warm restart (`onRemark` is told). config.json records it.
   */
  readonly epochs?: number;
}

/**
 * Goes on with a run that was interrupted or killed, from its last checkpoint: the result has the same bits as that of
 * a run that never stopped, where the kernels have the same arithmetic (see `Backend`; `onRemark` is told if not).
 * @param data only where the run was begun with data sets instead of a place.
 * @throws UserError when the folder holds no run, or for fewer epochs than it has done.
 */
export async function resume(
  out: string,
  options: ResumeOptions = {},
  data?: TrainAndTest | TrainingSets,
): Promise<TrainResult> {
  const run = RunDirectory.open(out);
  let setup = readSetup(run);
  if (!data && !setup.data) {
    throw new UserError({ expected: "the data sets of the run", received: "none", remedy: "give them to resume()" });
  }
  let config = trainConfig(setup.config);
  const { arrays, metadata } = await run.readModel("initial");
  const model = decodeModel(arrays, metadata, run.file("initial.safetensors"));
  const { validation = 0 } = setup;
  if (setup.validation === undefined) options.onRemark?.(olderRun);
  const split = { ...options, ...setup.data, seed: setup.data?.seed ?? config.seed, validation };
  const sets = await trainingSets(data ?? setup.data!.place, split);
  checkClasses(model, sets.train);
  const checkpoint = await run.readCheckpoint();
  if (!checkpoint) options.onRemark?.("the run was stopped before its first checkpoint: it begins from its start");
  const { epochs = config.epochs } = options;
  if (epochs !== config.epochs) {
    const changed = await changeLength(run, setup, epochs, checkpoint?.position, sets);
    setup = changed.setup;
    config = changed.setup.config;
    options.onRemark?.(changed.sentence);
  }
  return usingBackend(options, async (backend) => {
    const { arithmetic = backend.arithmetic } = setup;
    if (arithmetic !== backend.arithmetic) {
      options.onRemark?.(
        `the run was begun with kernels "${arithmetic}" and goes on with "${backend.arithmetic}": its result will differ in the last bits`,
      );
    }
    const { command, changedLengths = [] } = setup;
    const begun = { ...(typeof command === "string" && { command }), changedLengths };
    return runTraining(model, sets, config, { ...options, ...begun, backend }, run, checkpoint);
  });
}
