import { existsSync } from "node:fs";
import { pixelWarnings } from "../../analysis/diagnosis/preprocessing.js";
import { checkStatistics, describeStatistics } from "../../analysis/diagnosis/statistics.js";
import { checkClasses } from "../../api/classes.js";
import {
  evaluationLoader,
  type SplitOrigin,
  type TrainAndTest,
  trainAndTest,
  uniqueSkipped,
} from "../../api/datasets.node.js";
import { evaluate } from "../../api/evaluate.node.js";
import { evaluationOf } from "../../api/evaluation.js";
import { datasetStatistics } from "../../api/statistics.js";
import { configFor, described, fitToData, type TrainFields } from "../../api/training-setup.js";
import type { Backend } from "../../backend/backend.js";
import { type ComputeOptions, usingBackend } from "../../backend/using-backend.node.js";
import { FormatError, UserError } from "../../core/errors.js";
import type { Dataset, SkippedFile } from "../../data/dataset.js";
import { inMemoryIfSmall } from "../../data/in-memory.js";
import { createLoader } from "../../data/loader.node.js";
import type { OpenOptions } from "../../data/open-dataset.node.js";
import { quickChecks } from "../../data/quick-checks.node.js";
import { describeDataWarning } from "../../data/warnings.js";
import { writeFileAtomically } from "../../formats/atomic-write.node.js";
import type { Model } from "../../nn/model.js";
import { decodeModel, encodeModel } from "../../nn/model-file.js";
import type { Checkpoint, RunPosition } from "../../train/checkpoint.js";
import { type TrainConfig, trainConfig } from "../../train/config.js";
import type { EpochRecord, HistoryRecord } from "../../train/history.js";
import { trainLoop } from "../../train/loop.js";
import type { ClassificationMetrics } from "../../train/metrics.js";
import { RunDirectory } from "../../train/run-directory.node.js";
import type { FinishedRun } from "./training-facts.js";

export type { AugmentationConfig, AugmentationPreset } from "../../data/augmentation/config.js";
export type { RunPosition } from "../../train/checkpoint.js";
export type { TrainConfig } from "../../train/config.js";
export type { EpochRecord } from "../../train/history.js";

/** What does not change the result. */
export interface TrainProcessOptions extends ComputeOptions, OpenOptions {
  /** Threads that decode and vary pictures. Default: see the loader. */
  readonly workers?: number;
  /** Stops after the step under way; the run can be resumed. */
  readonly signal?: AbortSignal;
  /** Seconds between checkpoints inside an epoch. Default 60. */
  readonly checkpointSeconds?: number;
  readonly onStep?: (position: RunPosition, loss: number, stepsPerEpoch: number) => void;
  readonly onEpoch?: (record: EpochRecord) => void;
  /** Told of the pictures decoded, where a folder's are small enough to be decoded once, before the first epoch. */
  readonly onDecode?: (done: number, total: number) => void;
  /** Told in a sentence what may surprise: that a run goes on with other kernels. */
  readonly onRemark?: (sentence: string) => void;
  /** Write report.html into the run's folder at the end: some seconds. Default true. */
  readonly report?: boolean;
  /** Told of each file that is left out, as soon as it is found unusable. */
  readonly onSkip?: (file: SkippedFile) => void;
}

export interface TrainOptions extends TrainProcessOptions, TrainFields {
  /** Folder of the run: config, checkpoints, logs, pictures. Left out: nothing is written. */
  readonly out?: string;
  /** Part of each class that is held out for testing where the data has no test split. Default 0.1. */
  readonly holdOut?: number;
}

export interface TrainResult {
  /** The net after the last step (averaged weights where `ema` is on), in training form. */
  readonly model: Model;
  /** Epochs, in order. */
  readonly epochs: readonly EpochRecord[];
  /** Stopped by the signal: go on with {@link resume}. */
  readonly interrupted: boolean;
  readonly skipped: readonly SkippedFile[];
  /** Sentences: what of the data and of the net's state spoils the result. */
  readonly warnings: readonly string[];
  readonly out: string | undefined;
}

/**
 * Trains a net on pictures and returns it trained. The same seed gives the same weights, whatever the number of threads.
 * A fresh net takes its class names, and mean and standard deviation of the pictures, from the data; one that was
 * trained before keeps its own.
 * @param data a folder, a known name ("fashion-mnist"), or data sets.
 * @throws UserError for wrong options or data, or when the loss is not finite (the last checkpoint stays).
 */
export async function train(
  model: Model,
  data: string | TrainAndTest,
  options: TrainOptions = {},
): Promise<TrainResult> {
  const { out, holdOut, ...others } = options;
  const { backend: _, threads, kernels, relaxed, workers, signal, checkpointSeconds, ...rest } = others;
  const { onStep, onEpoch, onDecode, onSkip, onRemark, report, strict, onProgress, ...fields } = rest;
  const config = configFor(model, fields);
  if (out !== undefined) checkNewRun(out);
  const sets = await trainAndTest(data, { ...options, seed: config.seed });
  const start = await fitToData(model, sets.train, createLoader);
  return usingBackend(options, async (backend) => {
    let run: RunDirectory | undefined;
    if (out !== undefined) {
      const initial = encodeModel(start);
      const { arithmetic } = backend;
      const setup: RunSetup = { model: initial.metadata, data: sets.origin ?? null, config, arithmetic };
      run = await RunDirectory.create(out, setup, initial);
    }
    return runTraining(start, sets, config, { ...options, backend }, run, undefined);
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
  return usingBackend(options, async (backend) => {
    const { arithmetic = backend.arithmetic } = setup;
    if (arithmetic !== backend.arithmetic) {
      options.onRemark?.(
        `the run was begun with kernels "${arithmetic}" and goes on with "${backend.arithmetic}": its result will differ in the last bits`,
      );
    }
    return runTraining(model, sets, config, { ...options, backend }, run, await run.readCheckpoint());
  });
}

/** What config.json holds. */
interface RunSetup {
  /** Metadata of the model at the start, for the reader: the model itself is in initial.safetensors. */
  readonly model: Record<string, string>;
  /** Null: data sets that the caller had open. */
  readonly data: SplitOrigin | null;
  readonly config: TrainConfig;
  /** Of the backend (see `Backend`); runs of the time before native kernels have none. */
  readonly arithmetic?: string;
}

function readSetup(run: RunDirectory): RunSetup {
  const setup = run.readConfig() as Partial<RunSetup> | null;
  const { data, config } = setup ?? {};
  const isOrigin = typeof data?.place === "string" && Number.isFinite(data.holdOut) && Number.isSafeInteger(data.seed);
  if (typeof config === "object" && config !== null && (data === null || isOrigin)) return setup as RunSetup;
  throw new FormatError({
    expected: "the configuration of a run",
    received: `something else in ${run.file("config.json")}`,
    remedy: "begin a new run",
  });
}

async function runTraining(
  model: Model,
  sets: TrainAndTest,
  config: TrainConfig,
  options: TrainProcessOptions & { readonly backend: Backend },
  run: RunDirectory | undefined,
  checkpoint: Checkpoint | undefined,
): Promise<TrainResult> {
  const { size, channels, cropRatio } = model.metadata.preprocessing;
  const { batchSize, seed, augmentation } = config;
  const { onSkip } = options;
  const loading = { ...(options.workers !== undefined && { workers: options.workers }), ...(onSkip && { onSkip }) };
  const epochsLeft = config.epochs - (checkpoint?.position.epoch ?? 0);
  const decoded = epochsLeft > 1 ? await decodedOnce(sets, options) : sets;
  const trainLoader = createLoader(decoded.train, {
    batchSize,
    size,
    channels,
    cropRatio,
    augmentation,
    seed,
    ...loading,
  });
  const testLoader = evaluationLoader(decoded.test, model, { batchSize, ...loading });
  const warnings = await startWarnings(model, sets);
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
  try {
    const result = await trainLoop({
      ...{ backend: options.backend, model, config, trainLoader, testLoader, onRecord },
      ...(checkpoint && { resume: checkpoint }),
      ...(signal && { signal }),
      ...(checkpointSeconds !== undefined && { checkpointSeconds }),
      onStep: (position, loss) => onStep?.(position, loss, trainLoader.stepsPerEpoch),
      onBest: async (best, record) => {
        await run?.writeModel("best", encodeModel(described(best, sets.train, config, record.epoch)));
      },
      onCheckpoint: async (state) => {
        await run?.writeCheckpoint(state);
        if (run && epochs.length > 0 && state.position.stepInEpoch === 0) await drawCurves(run, epochs, model, sets);
      },
    });
    const trained = described(result.model, sets.train, config, result.position.epoch);
    if (!result.interrupted) {
      await run?.writeModel("model", encodeModel(trained));
      const stale = describeStatistics(checkStatistics(trained));
      for (const line of stale) options.onRemark?.(`! ${line}`);
      warnings.push(...stale);
      if (run && options.report !== false) {
        const { metrics } = result;
        await reportOn(run, { model: trained, config, epochs, ...sets, warnings }, metrics, options);
      }
    }
    const skipped = uniqueSkipped(trainLoader.skipped, testLoader.skipped);
    return { model: trained, epochs, interrupted: result.interrupted, skipped, warnings, out: run?.path };
  } finally {
    await Promise.all([trainLoader.dispose(), testLoader.dispose()]);
  }
}

/** The pictures, in memory where they are small: without that, each epoch decodes them anew beside the kernels' threads. */
async function decodedOnce(
  { train, test }: TrainAndTest,
  { signal, onDecode }: TrainProcessOptions,
): Promise<TrainAndTest> {
  const decode = (dataset: Dataset): Promise<Dataset> =>
    inMemoryIfSmall(dataset, { ...(signal && { signal }), ...(onDecode && { onProgress: onDecode }) });
  return { train: await decode(train), test: await decode(test) };
}

/**
 * Writes the run's report.
 * @param metrics of the last epoch; undefined where a run is resumed that was done: then the report is only made if there is none
 */
async function reportOn(
  run: RunDirectory,
  finished: Omit<FinishedRun, "evaluation">,
  metrics: ClassificationMetrics | undefined,
  { backend, onRemark }: TrainProcessOptions & { readonly backend: Backend },
): Promise<void> {
  const file = run.file("report.html");
  if (!metrics && existsSync(file)) return;
  const { model, test } = finished;
  const evaluation = metrics
    ? { ...evaluationOf(metrics, test), assumed: [] }
    : await evaluate(model, test, { backend });
  // What draws reports takes a moment to load: only where one is made.
  const { writeTrainingReport } = await import("./write-training-report.node.js");
  await writeTrainingReport(file, { ...finished, evaluation }, backend, onRemark);
}

/** What can be seen quickly before training: unbalanced classes, test pictures in the training set, a net of other pictures. */
async function startWarnings(model: Model, sets: TrainAndTest): Promise<string[]> {
  const { preprocessing, provenance } = model.metadata;
  const strange =
    provenance["trainedOn"] === undefined
      ? []
      : pixelWarnings(await datasetStatistics(sets.train, preprocessing, createLoader), preprocessing);
  const data = await quickChecks(sets.train, sets.test);
  return [...data.map(describeDataWarning), ...strange.map(({ message }) => message)];
}

async function drawCurves(
  run: RunDirectory,
  epochs: readonly EpochRecord[],
  model: Model,
  sets: TrainAndTest,
): Promise<void> {
  // The plotting libraries take half a second to load: only where something is drawn.
  const [{ curvesSvg }, { svgToPng }] = await Promise.all([
    import("../../report/curves.js"),
    import("../../report/png.node.js"),
  ]);
  const svg = curvesSvg(`RepVGG ${model.architecture.name} on ${sets.train.name}`, epochs);
  await writeFileAtomically(run.file("curves.svg"), svg);
  await writeFileAtomically(run.file("curves.png"), await svgToPng(svg));
}
