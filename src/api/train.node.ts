import { writeFile } from "node:fs/promises";
import { UserError } from "../core/errors.js";
import { type AugmentationConfig, type AugmentationPreset, augmentationPreset } from "../data/augmentation/config.js";
import type { SkippedFile } from "../data/dataset.js";
import { createLoader } from "../data/loader.node.js";
import type { OpenOptions } from "../data/open-dataset.node.js";
import type { Model } from "../nn/model.js";
import { decodeModel, encodeModel } from "../nn/model-file.js";
import { curvesSvg } from "../report/curves.js";
import { svgToPng } from "../report/png.node.js";
import type { Checkpoint, RunPosition } from "../train/checkpoint.js";
import { type TrainConfig, trainConfig } from "../train/config.js";
import type { EpochRecord, HistoryRecord } from "../train/history.js";
import { trainLoop } from "../train/loop.js";
import { RunDirectory } from "../train/run-directory.node.js";
import { type ComputeOptions, usingBackend } from "./backend.node.js";
import { checkClasses, evaluationLoader, type TrainAndTest, trainAndTest } from "./datasets.node.js";
import { datasetStatistics } from "./statistics.node.js";

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
}

export interface TrainOptions extends TrainProcessOptions, Partial<Omit<TrainConfig, "augmentation">> {
  /** Default: "small-images" for nets whose input is below 128 pixels, else "imagenet". */
  readonly augmentation?: AugmentationPreset | AugmentationConfig;
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
  readonly out: string | undefined;
}

/** Fields of TrainOptions that belong to the process or the data; all others are the TrainConfig's. */
const notConfig = [
  ...["backend", "threads", "workers", "signal", "checkpointSeconds", "onStep", "onEpoch", "strict", "onProgress"],
  ...["augmentation", "out", "holdOut"],
];

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
  const { size } = model.metadata.preprocessing;
  const augmentation = options.augmentation ?? (Math.min(...size) < 128 ? "small-images" : "imagenet");
  const config = trainConfig({
    ...(Object.fromEntries(
      Object.entries(options).filter(([key]) => !notConfig.includes(key)),
    ) as Partial<TrainConfig>),
    augmentation: typeof augmentation === "string" ? augmentationPreset(augmentation, size) : augmentation,
  });
  const sets = await trainAndTest(data, { ...options, seed: config.seed });
  const start = await fitToData(model, sets);
  let run: RunDirectory | undefined;
  if (options.out !== undefined) {
    const setup: RunSetup = {
      model: encodeModel(start).metadata,
      data: typeof data === "string" ? data : null,
      holdOut: options.holdOut ?? null,
      config,
    };
    run = await RunDirectory.create(options.out, setup);
    await run.writeModel("initial", encodeModel(start).arrays, encodeModel(start).metadata);
  }
  return runTraining(start, sets, config, options, run, undefined);
}

/**
 * Goes on with a run that was interrupted or killed, from its last checkpoint: the result has the same bits as that of
 * a run that never stopped.
 * @param data only where the run was begun with data sets instead of a place.
 * @throws UserError when the folder holds no run.
 */
export async function resume(
  out: string,
  options: TrainProcessOptions = {},
  data?: TrainAndTest,
): Promise<TrainResult> {
  const run = RunDirectory.open(out);
  const setup = run.readConfig() as RunSetup;
  const place = data ?? setup.data;
  if (!place) {
    throw new UserError({ expected: "the data sets of the run", received: "none", remedy: "give them to resume()" });
  }
  const config = trainConfig(setup.config);
  const { arrays, metadata } = await run.readModel("initial");
  const model = decodeModel(arrays, metadata, run.file("initial.safetensors"));
  const holdOut = setup.holdOut === null ? {} : { holdOut: setup.holdOut };
  const sets = await trainAndTest(place, { ...options, ...holdOut, seed: config.seed });
  checkClasses(model, sets.train);
  return runTraining(model, sets, config, options, run, await run.readCheckpoint());
}

/** What config.json holds. */
interface RunSetup {
  readonly model: Record<string, string>;
  readonly data: string | null;
  readonly holdOut: number | null;
  readonly config: TrainConfig;
}

async function runTraining(
  model: Model,
  sets: TrainAndTest,
  config: TrainConfig,
  options: TrainProcessOptions,
  run: RunDirectory | undefined,
  checkpoint: Checkpoint | undefined,
): Promise<TrainResult> {
  const { size, channels, cropRatio } = model.metadata.preprocessing;
  const { batchSize, seed, augmentation } = config;
  const workers = options.workers === undefined ? {} : { workers: options.workers };
  const trainLoader = createLoader(sets.train, {
    batchSize,
    size,
    channels,
    cropRatio,
    augmentation,
    seed,
    ...workers,
  });
  const testLoader = evaluationLoader(sets.test, model, { batchSize, ...workers });
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
    const result = await usingBackend(options, (backend) =>
      trainLoop({
        ...{ backend, model, config, trainLoader, testLoader, onRecord },
        ...(checkpoint && { resume: checkpoint }),
        ...(signal && { signal }),
        ...(checkpointSeconds !== undefined && { checkpointSeconds }),
        onStep: (position, loss) => onStep?.(position, loss, trainLoader.stepsPerEpoch),
        onBest: async (best, record) => {
          const { arrays, metadata } = encodeModel(described(best, sets, config, record.epoch));
          await run?.writeModel("best", arrays, metadata);
        },
        onCheckpoint: async (state) => {
          await run?.writeCheckpoint(state);
          if (run && epochs.length > 0 && state.position.stepInEpoch === 0) await drawCurves(run, epochs, model, sets);
        },
      }),
    );
    const trained = described(result.model, sets, config, result.position.epoch);
    if (run && !result.interrupted) {
      const { arrays, metadata } = encodeModel(trained);
      await run.writeModel("model", arrays, metadata);
    }
    return { model: trained, epochs, interrupted: result.interrupted, skipped: trainLoader.skipped, out: run?.path };
  } finally {
    await Promise.all([trainLoader.dispose(), testLoader.dispose()]);
  }
}

async function drawCurves(
  run: RunDirectory,
  epochs: readonly EpochRecord[],
  model: Model,
  sets: TrainAndTest,
): Promise<void> {
  const svg = curvesSvg(`RepVGG ${model.architecture.name} on ${sets.train.name}`, epochs);
  await writeFile(run.file("curves.svg"), svg);
  await writeFile(run.file("curves.png"), await svgToPng(svg));
}

/** The model with where its weights come from. */
function described(model: Model, { train: set }: TrainAndTest, { seed }: TrainConfig, epochs: number): Model {
  const provenance = {
    ...model.metadata.provenance,
    trainedOn: `${set.name}, ${set.length} pictures, ${epochs} epochs`,
    trainingSeed: String(seed),
  };
  return { ...model, metadata: { ...model.metadata, provenance } };
}

/** A fresh net takes class names and pixel statistics from the data. */
async function fitToData(model: Model, { train: set }: TrainAndTest): Promise<Model> {
  checkClasses(model, set);
  const classNames = set.classNames;
  if (model.metadata.provenance["trainedOn"] !== undefined)
    return { ...model, metadata: { ...model.metadata, classNames } };
  const preprocessing = {
    ...model.metadata.preprocessing,
    ...(await datasetStatistics(set, model.metadata.preprocessing)),
  };
  return { ...model, metadata: { ...model.metadata, classNames, preprocessing } };
}
