import { checkStatistics, describeStatistics } from "../analysis/diagnosis/statistics.js";
import { uniqueSkipped } from "../api/datasets.node.js";
import type { Evaluation } from "../api/evaluation.js";
import type { RecalibrationEffect } from "../api/recalibrate.node.js";
import { withTrainedPictures } from "../api/trained-pictures.node.js";
import type { TrainingSets } from "../api/training-sets.js";
import type { Backend } from "../backend/backend.js";
import { percent, plural } from "../core/format.js";
import type { Dataset, SkippedFile } from "../data/dataset.js";
import { inMemoryIfSmall } from "../data/in-memory.js";
import type { Model } from "../nn/model.js";
import { decodeModel, encodeModel } from "../nn/model-file.js";
import { described } from "../recipe/training-setup.js";
import type { Checkpoint } from "../train/checkpoint.js";
import type { TrainConfig } from "../train/config.js";
import type { EpochRecord, HistoryRecord } from "../train/history.js";
import { type TrainLoopResult, trainLoop } from "../train/loop.js";
import type { RunDirectory } from "../train/run-directory.node.js";
import { patientFrom } from "./change-length.node.js";
import { measure } from "./measure.node.js";
import type { TrainProcessOptions } from "./process-options.node.js";
import { drawCurves, reportOn } from "./run-pages.node.js";
import type { ChangedLength } from "./run-setup.node.js";
import { describeSettling, settle } from "./settle.node.js";
import { startWarnings } from "./start-warnings.node.js";
import { trainingLoaders } from "./training-loaders.node.js";
import { writeCard } from "./write-card.node.js";

/** Seconds between two drawings of the curves while a run is under way: short epochs would take less time than their pictures. */
const curvesEvery = 10;

/** What a training gave. */
export interface TrainResult {
  /**
   * The net of the epoch that the validation pictures chose, without any (or with `choose: "last"`) the last epoch's; averaged weights where
   * `ema` is on; in training form. Of a training that was interrupted: as it is now.
   */
  readonly model: Model;
  /** Epochs, in order. */
  readonly epochs: readonly EpochRecord[];
  /** The epoch whose net `model` is, before any recalibration; undefined where the training was interrupted. */
  readonly chosen: EpochRecord | undefined;
  /** Accuracy of `model` on the test pictures, which nothing else looked at; null: interrupted, or there are none. */
  readonly test: Evaluation | null;
  /** The training was so short that BatchNorm's statistics were recalibrated at its end; null: they were not. */
  readonly recalibration: RecalibrationEffect | null;
  /** Stopped by the signal: go on with `resume`. */
  readonly interrupted: boolean;
  /** Ended before its last epoch, because in `patience` epochs in a row no more validation pictures were right. */
  readonly stoppedEarly: boolean;
  /** Files that could not be read, with the reasons. */
  readonly skipped: readonly SkippedFile[];
  /** Sentences: what of the data and of the net's state spoils the result. */
  readonly warnings: readonly string[];
  /** The run's folder; undefined where none was asked for, or the signal came before there was one. */
  readonly out: string | undefined;
}

/** A run from its start or its last checkpoint to its end, or to the signal. */
export async function runTraining(
  start: Model,
  sets: TrainingSets,
  config: TrainConfig,
  options: TrainProcessOptions & {
    readonly backend: Backend;
    /** Each time that the run was given another number of epochs. */
    readonly changedLengths?: readonly ChangedLength[];
  },
  run: RunDirectory | undefined,
  checkpoint: Checkpoint | undefined,
): Promise<TrainResult> {
  const model = withTrainedPictures(start, sets);
  const epochsLeft = config.epochs - (checkpoint?.position.epoch ?? 0);
  const decoded = epochsLeft > 1 ? await decodedOnce(sets, options) : sets;
  const loaders = await trainingLoaders(options.backend, model, decoded, config, options);
  const warnings = await startWarnings(model, sets);
  for (const line of warnings) options.onRemark?.(`! ${line}`);
  const { signal, checkpointSeconds, onStep, onEpoch, changedLengths = [] } = options;
  await run?.cutHistory(checkpoint?.position);
  const epochs = run?.readHistory().filter((record) => record.kind === "epoch") ?? [];
  const onRecord = (record: HistoryRecord): void => {
    run?.append(record);
    if (record.kind !== "epoch") return;
    epochs.push(record);
    onEpoch?.(record);
  };
  const net = new ChosenNet(sets, config, run);
  let drawn = performance.now();
  try {
    const result = await trainLoop({
      ...{ backend: options.backend, model, config, onRecord },
      ...{ trainLoader: loaders.train, validationLoader: loaders.validation },
      ...(checkpoint && { resume: sets.validation ? checkpoint : unjudged(checkpoint) }),
      ...(signal && { signal }),
      ...(checkpointSeconds !== undefined && { checkpointSeconds }),
      patientFrom: patientFrom({ changedLengths }),
      onStep: (position, loss) => onStep?.(position, loss, loaders.train.stepsPerEpoch),
      onBest: (best, { epoch }) => net.keep(best, epoch),
      onCheckpoint: async (state) => {
        await run?.writeCheckpoint(state);
        if (run && state.position.stepInEpoch === 0 && performance.now() - drawn > curvesEvery * 1000) {
          await drawCurves(run, epochs, model, sets.train);
          drawn = performance.now();
        }
      },
    });
    if (run && epochs.length > 0) await drawCurves(run, epochs, model, sets.train);
    const { interrupted, stoppedEarly } = result;
    const common = { epochs, interrupted, stoppedEarly, warnings, out: run?.path };
    if (interrupted) {
      const now = described(result.model, sets.train, config, result.position.epoch);
      return { ...common, model: now, chosen: undefined, test: null, recalibration: null, skipped: loaders.skipped() };
    }
    if (stoppedEarly) options.onRemark?.(describeStop(result, config));
    let { model: trained, epoch } = await net.chosen(result);
    const chosen = epochs.find((record) => record.epoch === epoch)!;
    const settled = anyFrozen(config)
      ? undefined
      : await settle(trained, { ...sets, train: decoded.train }, options.backend);
    const remarks: string[] = [];
    if (settled) {
      trained = settled.model;
      remarks.push(describeSettling(settled, result.position.step));
      options.onRemark?.(remarks[0]!);
    }
    await run?.writeModel("model", encodeModel(trained));
    run?.removeModel("best");
    const stale = describeStatistics(checkStatistics(trained));
    for (const line of stale) options.onRemark?.(`! ${line}`);
    warnings.push(...stale);
    const measured = await measure(trained, sets, options);
    const skipped = uniqueSkipped(loaders.skipped(), measured?.evaluation.skipped ?? []);
    for (const file of skipped.slice(loaders.skipped().length)) options.onSkip?.(file);
    if (run) {
      const finished = { model: trained, config, epochs, chosen, sets, measured, warnings, remarks };
      await writeCard(run, finished, { command: options.command, changedLengths });
      if (options.report !== false) await reportOn(run, finished, options.backend, options.onRemark);
    }
    return {
      ...{ ...common, model: trained, chosen, recalibration: settled?.effect ?? null },
      test: measured && sets.test ? measured.evaluation : null,
      skipped,
    };
  } finally {
    await loaders.dispose();
  }
}

/** The net that a run gives: the best epoch's, kept in the run's folder while it is under way, or the last one's. */
class ChosenNet {
  readonly #sets: TrainingSets;
  readonly #config: TrainConfig;
  readonly #run: RunDirectory | undefined;
  readonly #chooses: boolean;
  #best: Model | undefined;

  constructor(sets: TrainingSets, config: TrainConfig, run: RunDirectory | undefined) {
    this.#sets = sets;
    this.#config = config;
    this.#run = run;
    this.#chooses = config.choose === "best" && sets.validation !== undefined;
  }

  async keep(model: Model, epoch: number): Promise<void> {
    if (!this.#chooses) return;
    this.#best = described(model, this.#sets.train, this.#config, epoch);
    await this.#run?.writeModel("best", encodeModel(this.#best));
  }

  async chosen({ model, position }: TrainLoopResult): Promise<{ model: Model; epoch: number }> {
    const { best, epoch } = position;
    if (!this.#chooses || best === null || best.epoch === epoch) {
      return { model: described(model, this.#sets.train, this.#config, epoch), epoch };
    }
    return { model: this.#best ?? (await this.#kept()), epoch: best.epoch };
  }

  /** By the process that did the best epoch; of a run that was at its end already, there is only what it gave. */
  async #kept(): Promise<Model> {
    const run = this.#run!;
    const name = run.hasModel("best") ? "best" : "model";
    const { arrays, metadata } = await run.readModel(name);
    return decodeModel(arrays, metadata, run.file(`${name}.safetensors`));
  }
}

/** What the test pictures judged, in runs of older versions, judges no more. */
function unjudged(checkpoint: Checkpoint): Checkpoint {
  return { ...checkpoint, position: { ...checkpoint.position, best: null } };
}

function describeStop({ position: { epoch, best } }: TrainLoopResult, { epochs, patience }: TrainConfig): string {
  return `stopped early after epoch ${epoch} of ${epochs}: ${plural(patience, "epoch")} in a row no better than epoch ${best!.highest.epoch}, validation top-1 ${percent(best!.highest.top1)}`;
}

/** Whether weights or statistics were to stay as they are: then nothing recalibrates them at the end. */
function anyFrozen({ freeze, batchNorm }: TrainConfig): boolean {
  return freeze !== 0 || batchNorm === "frozen";
}

/** The pictures of every epoch, in memory where they are small: without that, each decodes them anew beside the kernels' threads. */
async function decodedOnce(sets: TrainingSets, { signal, onDecode }: TrainProcessOptions): Promise<TrainingSets> {
  const decode = (dataset: Dataset): Promise<Dataset> =>
    inMemoryIfSmall(dataset, { ...(signal && { signal }), ...(onDecode && { onProgress: onDecode }) });
  const { train, validation } = sets;
  return { ...sets, train: await decode(train), ...(validation && { validation: await decode(validation) }) };
}
