import { pixelWarnings } from "../analysis/diagnosis/preprocessing.js";
import { checkStatistics, describeStatistics } from "../analysis/diagnosis/statistics.js";
import { type TrainAndTest, trainAndTest } from "../api/datasets.node.js";
import { evaluationOf } from "../api/evaluation.js";
import type { RecalibrationEffect } from "../api/recalibrate.node.js";
import { withTrainedPictures } from "../api/trained-pictures.node.js";
import type { Backend } from "../backend/backend.js";
import { type ComputeOptions, usingBackend } from "../backend/using-backend.node.js";
import { UserError } from "../core/errors.js";
import { classCounts } from "../data/class-counts.js";
import type { Dataset, SkippedFile } from "../data/dataset.js";
import { inMemoryIfSmall } from "../data/in-memory.js";
import { createLoader } from "../data/loader.node.js";
import type { OpenOptions } from "../data/open-dataset.node.js";
import { quickChecks } from "../data/quick-checks.node.js";
import { describeDataWarning } from "../data/warnings.js";
import type { Model } from "../nn/model.js";
import { decodeModel, encodeModel } from "../nn/model-file.js";
import { balanceRemedy } from "../recipe/balance.js";
import { checkClasses } from "../recipe/classes.js";
import { datasetStatistics } from "../recipe/statistics.js";
import { configFor, described, isUntrained, type TrainFields } from "../recipe/training-setup.js";
import type { Checkpoint, RunPosition } from "../train/checkpoint.js";
import { type TrainConfig, trainConfig } from "../train/config.js";
import { DivergenceError } from "../train/divergence.js";
import type { EpochRecord, HistoryRecord } from "../train/history.js";
import { trainLoop } from "../train/loop.js";
import { RunDirectory } from "../train/run-directory.node.js";
import { prepareTraining, readTraining } from "./prepare.node.js";
import { drawCurves, reportOn } from "./run-pages.node.js";
import { type RunSetup, readSetup } from "./run-setup.node.js";
import { describeSettling, settle } from "./settle.node.js";
import type { TrainFrom } from "./start-from.node.js";
import { trainingLoaders } from "./training-loaders.node.js";
import { writeCard } from "./write-card.node.js";

export type {
  AugmentationConfig,
  AugmentationPreset,
  ColorJitter,
  PadAndCrop,
  RandAugment,
  RandomErasing,
  RandomResizedCrop,
} from "../data/augmentation/config.js";
export type { RunPosition } from "../train/checkpoint.js";
export type { BalanceMode } from "../train/class-balance.js";
export type { Freeze, TrainConfig } from "../train/config.js";
export type { EpochRecord } from "../train/history.js";
export type { TrainFrom } from "./start-from.node.js";

/** Seconds between two drawings of the curves while a run is under way: short epochs would take less time than their pictures. */
const curvesEvery = 10;

/** What does not change the result. */
export interface TrainProcessOptions extends ComputeOptions, OpenOptions {
  /** Threads that decode and vary pictures. Default: see the loader. */
  readonly workers?: number;
  /** Stops after the step under way; the run can be resumed. */
  readonly signal?: AbortSignal;
  /** Seconds between checkpoints inside an epoch. Default 60. */
  readonly checkpointSeconds?: number;
  /** Told of each optimizer step that is done, with the loss of its batch. */
  readonly onStep?: (position: RunPosition, loss: number, stepsPerEpoch: number) => void;
  /** Told of each epoch's losses and accuracies. */
  readonly onEpoch?: (record: EpochRecord) => void;
  /** Told of the pictures decoded, where a folder's are small enough to be decoded once, before the first epoch. */
  readonly onDecode?: (done: number, total: number) => void;
  /** Told of the pictures that went through a frozen part of the net, whose features are kept, before the first epoch. */
  readonly onFeatures?: (done: number, total: number) => void;
  /** Told in a sentence what may surprise: that a run goes on with other kernels. */
  readonly onRemark?: (sentence: string) => void;
  /** Write report.html into the run's folder at the end: some seconds. Default true. */
  readonly report?: boolean;
  /** The command line that began the run, for its model card. */
  readonly command?: string;
  /** Told of each file that is left out, as soon as it is found unusable. */
  readonly onSkip?: (file: SkippedFile) => void;
}

export interface TrainOptions extends TrainProcessOptions, TrainFields {
  /** Folder of the run: config, checkpoints, logs, pictures. Left out: nothing is written. */
  readonly out?: string;
  /**
   * Part of each class that is held out for testing where the data has no test split, from 0 (none) to below 1.
   * Default 0.1, of fewer than 500 pictures 0.2.
   */
  readonly holdOut?: number;
}

/** What a training gave. */
export interface TrainResult {
  /** The net after the last step (averaged weights where `ema` is on), in training form. */
  readonly model: Model;
  /** Epochs, in order; the last has the accuracy of `model`, recalibrated or not. */
  readonly epochs: readonly EpochRecord[];
  /** Of the net in best.safetensors: the first with the highest test accuracy; the last one where recalibration made it as good. */
  readonly best: EpochRecord | undefined;
  /** The training was so short that BatchNorm's statistics were recalibrated at its end; null: they were not. */
  readonly recalibration: RecalibrationEffect | null;
  /** Stopped by the signal: go on with {@link resume}. */
  readonly interrupted: boolean;
  /** Files that could not be read, with the reasons. */
  readonly skipped: readonly SkippedFile[];
  /** Sentences: what of the data and of the net's state spoils the result. */
  readonly warnings: readonly string[];
  /** The run's folder; undefined where none was asked for, or the signal came before there was one. */
  readonly out: string | undefined;
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
 * @param start a net of these classes, or a net to begin from
 * @param data a folder, a known name ("fashion-mnist"), or data sets.
 * @throws UserError for wrong options or data, or when the loss is not finite (the last checkpoint stays).
 */
export async function train(
  start: Model | TrainFrom,
  data: string | TrainAndTest,
  options: TrainOptions = {},
): Promise<TrainResult> {
  const { out, holdOut, ...others } = options;
  const { backend: _, threads, kernels, relaxed, workers, signal, checkpointSeconds, ...rest } = others;
  const { onStep, onEpoch, onDecode, onFeatures, onSkip, onRemark, report, command, strict, onProgress, ...fields } =
    rest;
  const training = await readTraining(start, fields);
  if (out !== undefined) checkNewRun(out);
  const sets = await trainAndTest(data, { ...options, seed: training.asked.seed });
  const prepared = await prepareTraining(training, sets, fields);
  for (const remark of prepared.remarks) onRemark?.(remark);
  configFor(prepared.model, prepared.fields); // throws before anything is computed
  if (signal?.aborted) {
    const nothing = { epochs: [], best: undefined, recalibration: null, skipped: [], warnings: [], out: undefined };
    return { model: prepared.model, interrupted: true, ...nothing };
  }
  return usingBackend(options, async (backend) => {
    const { model: begun, fields: whole, remarks } = await prepared.complete(backend);
    for (const remark of remarks) onRemark?.(remark);
    const config = configFor(begun, whole);
    if (out === undefined) return runTraining(begun, sets, config, { ...options, backend }, undefined, undefined);
    const initial = encodeModel(begun);
    const { arithmetic } = backend;
    const setup: RunSetup = {
      ...{ model: initial.metadata, data: sets.origin ?? null, config, arithmetic },
      ...(command !== undefined && { command }),
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

/** @throws UserError when the folder holds a run already: {@link train} would not begin another one there. */
export function checkNewRun(out: string): void {
  RunDirectory.checkNew(out);
}

/**
 * Goes on with a run that was interrupted or killed, from its last checkpoint: the result has the same bits as that of
 * a run that never stopped, where the kernels have the same arithmetic (see `Backend`; `onRemark` is told if not).
 * @param data only where the run was begun with data sets instead of a place.
 * @throws UserError when the folder holds no run.
 */
export async function resume(
  out: string,
  options: TrainProcessOptions = {},
  data?: TrainAndTest,
): Promise<TrainResult> {
  const run = RunDirectory.open(out);
  const setup = readSetup(run);
  if (!data && !setup.data) {
    throw new UserError({ expected: "the data sets of the run", received: "none", remedy: "give them to resume()" });
  }
  const config = trainConfig(setup.config);
  const { arrays, metadata } = await run.readModel("initial");
  const model = decodeModel(arrays, metadata, run.file("initial.safetensors"));
  const sets = data ?? (await trainAndTest(setup.data!.place, { ...options, ...setup.data! }));
  checkClasses(model, sets.train);
  const checkpoint = await run.readCheckpoint();
  if (!checkpoint) options.onRemark?.("the run was stopped before its first checkpoint: it begins from its start");
  return usingBackend(options, async (backend) => {
    const { arithmetic = backend.arithmetic } = setup;
    if (arithmetic !== backend.arithmetic) {
      options.onRemark?.(
        `the run was begun with kernels "${arithmetic}" and goes on with "${backend.arithmetic}": its result will differ in the last bits`,
      );
    }
    const begun = typeof setup.command === "string" ? { command: setup.command } : {};
    return runTraining(model, sets, config, { ...options, ...begun, backend }, run, checkpoint);
  });
}

async function runTraining(
  start: Model,
  sets: TrainAndTest,
  config: TrainConfig,
  options: TrainProcessOptions & { readonly backend: Backend },
  run: RunDirectory | undefined,
  checkpoint: Checkpoint | undefined,
): Promise<TrainResult> {
  const model = withTrainedPictures(start, sets);
  const epochsLeft = config.epochs - (checkpoint?.position.epoch ?? 0);
  const decoded = epochsLeft > 1 ? await decodedOnce(sets, options) : sets;
  const loaders = await trainingLoaders(options.backend, model, decoded, config, options);
  const warnings = await startWarnings(model, sets, config);
  for (const line of warnings) options.onRemark?.(`! ${line}`);
  const { signal, checkpointSeconds, onStep, onEpoch } = options;
  await run?.cutHistory(checkpoint?.position);
  const epochs = run?.readHistory().filter((record) => record.kind === "epoch") ?? [];
  const onRecord = (record: HistoryRecord): void => {
    run?.append(record);
    if (record.kind !== "epoch") return;
    epochs.push(record);
    onEpoch?.(record);
  };
  let drawn = performance.now();
  try {
    const result = await trainLoop({
      ...{ backend: options.backend, model, config, onRecord },
      ...{ trainLoader: loaders.train, testLoader: loaders.test, classCounts: classCounts(sets.train) },
      ...(checkpoint && { resume: checkpoint }),
      ...(signal && { signal }),
      ...(checkpointSeconds !== undefined && { checkpointSeconds }),
      onStep: (position, loss) => onStep?.(position, loss, loaders.train.stepsPerEpoch),
      onBest: async (best, record) => {
        await run?.writeModel("best", encodeModel(described(best, sets.train, config, record.epoch)));
      },
      onCheckpoint: async (state) => {
        await run?.writeCheckpoint(state);
        if (run && state.position.stepInEpoch === 0 && performance.now() - drawn > curvesEvery * 1000) {
          await drawCurves(run, epochs, model, sets.train);
          drawn = performance.now();
        }
      },
    });
    if (run && epochs.length > 0) await drawCurves(run, epochs, model, sets.train);
    let trained = described(result.model, sets.train, config, result.position.epoch);
    let recalibration: RecalibrationEffect | null = null;
    const remarks: string[] = [];
    let best = epochs.find(({ epoch }) => epoch === result.position.best?.epoch);
    if (!result.interrupted) {
      let evaluation = result.metrics && evaluationOf(result.metrics, sets.test);
      const settled = anyFrozen(config)
        ? undefined
        : await settle(trained, { ...sets, train: decoded.train }, epochs.at(-1)!.testTop1, options.backend);
      if (settled) {
        ({ model: trained, evaluation, effect: recalibration } = settled);
        const { top1, top5, loss } = settled.evaluation;
        epochs.push({ ...epochs.pop()!, testTop1: top1, testTop5: top5, testLoss: loss });
        remarks.push(describeSettling(recalibration, result.position.step));
        options.onRemark?.(remarks[0]!);
        if (top1 >= best!.testTop1) {
          best = epochs.at(-1);
          await run?.writeModel("best", encodeModel(trained));
        }
      }
      await run?.writeModel("model", encodeModel(trained));
      const stale = describeStatistics(checkStatistics(trained));
      for (const line of stale) options.onRemark?.(`! ${line}`);
      warnings.push(...stale);
      if (run) {
        const { command, backend } = options;
        await writeCard(run, { model: trained, config, epochs, sets, evaluation, warnings, command }, backend);
      }
      if (run && options.report !== false) {
        const finished = { model: trained, config, epochs, ...sets, warnings, remarks };
        await reportOn(run, finished, evaluation, options.backend, options.onRemark);
      }
    }
    const skipped = loaders.skipped();
    const { interrupted } = result;
    return { model: trained, epochs, best, recalibration, interrupted, skipped, warnings, out: run?.path };
  } finally {
    await loaders.dispose();
  }
}

/** Whether weights or statistics were to stay as they are: then nothing recalibrates them at the end. */
function anyFrozen({ freeze, batchNorm }: TrainConfig): boolean {
  return freeze !== 0 || batchNorm === "frozen";
}

/** The pictures, in memory where they are small: without that, each epoch decodes them anew beside the kernels' threads. */
async function decodedOnce(
  { train, test, ...rest }: TrainAndTest,
  { signal, onDecode }: TrainProcessOptions,
): Promise<TrainAndTest> {
  const decode = (dataset: Dataset): Promise<Dataset> =>
    inMemoryIfSmall(dataset, { ...(signal && { signal }), ...(onDecode && { onProgress: onDecode }) });
  return { ...rest, train: await decode(train), test: await decode(test) };
}

/** What can be seen quickly before training: unbalanced classes, test pictures in the training set, a net of other pictures. */
async function startWarnings(
  model: Model,
  { train, test, heldOut }: TrainAndTest,
  config: TrainConfig,
): Promise<string[]> {
  const { preprocessing } = model.metadata;
  const strange = isUntrained(model)
    ? []
    : pixelWarnings(await datasetStatistics(train, preprocessing, createLoader), preprocessing);
  const found = await quickChecks(train, heldOut === 0 ? test.select([]) : test);
  const data = found.map((warning) => balanceRemedy(warning, config));
  const unmeasured =
    heldOut === 0
      ? [
          "nothing is held out: what is called test below is measured on the training pictures, and says nothing of others",
        ]
      : [];
  return [...unmeasured, ...data.map(describeDataWarning), ...strange.map(({ message }) => message)];
}
