import type { Backend } from "../backend/backend.js";
import { yieldToEvents } from "../core/yield.js";
import type { Loader } from "../data/loader.js";
import type { Model } from "../nn/model.js";
import type { Checkpoint, RunPosition } from "./checkpoint.js";
import { checkPatience, hasStoppedEarly, isTaken, taken } from "./choosing.js";
import type { TrainConfig } from "./config.js";
import type { EpochRecord, EpochScore, HistoryRecord } from "./history.js";
import type { ClassificationMetrics } from "./metrics.js";
import { learningRate, scheduleOf } from "./schedule.js";
import { Trainer } from "./trainer.js";
import type { TrainingBatch } from "./training-batch.js";

/** What is trained on what, and who is told. */
export interface TrainLoopOptions {
  readonly backend: Backend;
  readonly model: Model;
  readonly config: TrainConfig;
  /** Batches of `config.batchSize`, augmented, shuffled by `config.seed`; of pictures or of a frozen part's features. */
  readonly trainLoader: Loader<TrainingBatch>;
  /** Batches of the validation pictures in order, which judge every epoch. Left out: nothing is judged. */
  readonly validationLoader?: Loader<TrainingBatch> | undefined;
  /** Goes on from here instead of from the model's own weights. */
  readonly resume?: Checkpoint;
  /** Stops after the step under way, with a checkpoint; between epochs and while the net is evaluated, at once. */
  readonly signal?: AbortSignal;
  /** Seconds between checkpoints inside an epoch. Default 60. */
  readonly checkpointSeconds?: number;
  /** Optimizer steps between two step records. Default 10. */
  readonly recordEvery?: number;
  /** @param trainer to look at the net as it is now */
  readonly onStep?: (position: RunPosition, loss: number, trainer: Pick<Trainer, "model" | "logits">) => void;
  readonly onRecord?: (record: HistoryRecord) => void;
  /** Epochs done when the run was given another length: `config.patience` counts from there. Default 0. */
  readonly patientFrom?: number;
  /** A new best epoch by the validation pictures (see `isTaken`); the model is the one that was evaluated. */
  readonly onBest?: (model: Model, record: EpochRecord) => Promise<void>;
  readonly onCheckpoint?: (checkpoint: Checkpoint) => Promise<void>;
}

export interface TrainLoopResult {
  /** The net at the end (averaged weights where the average is on). */
  readonly model: Model;
  readonly position: RunPosition;
  /** Stopped by the signal before the last epoch's end. */
  readonly interrupted: boolean;
  /** Ended before `config.epochs` epochs, because `config.patience` epochs in a row were no better. */
  readonly stoppedEarly: boolean;
}

const start: RunPosition = { step: 0, epoch: 0, stepInEpoch: 0, lossSum: 0, best: null };

/**
 * Trains for `config.epochs` epochs, or until they become no better (`config.patience`), judging each by the validation pictures. A loop that is resumed from any of its checkpoints ends with
 * the same bits as one that was never stopped: batches are a function of (seed, epoch, step), and all else is in the
 * checkpoint. A checkpoint is offered every `checkpointSeconds` (when does not matter for the result), at the end of
 * each epoch and on interruption.
 * @throws UserError when the loss is not finite: the last good checkpoint stays; for patience without validation pictures.
 */
export async function trainLoop(options: TrainLoopOptions): Promise<TrainLoopResult> {
  const { backend, model, config, trainLoader, validationLoader, signal, patientFrom } = options;
  const { checkpointSeconds = 60, recordEvery = 10 } = options;
  checkPatience(config, validationLoader?.stepsPerEpoch ?? 0);
  const schedule = scheduleOf(config, trainLoader.stepsPerEpoch);
  const trainer = new Trainer(backend, model, config);
  try {
    let position = options.resume?.position ?? start;
    if (options.resume) trainer.loadState(options.resume);
    let written: RunPosition | undefined;
    const checkpoint = async (): Promise<void> => {
      await options.onCheckpoint?.({ position, ...trainer.state() });
      written = position;
    };
    let saved = performance.now();
    const ended = (interrupted: boolean): TrainLoopResult => {
      const stoppedEarly = !interrupted && position.epoch < config.epochs;
      return { model: trainer.model(), position, interrupted, stoppedEarly };
    };

    while (position.epoch < config.epochs && !hasStoppedEarly(position, config, patientFrom)) {
      if (signal?.aborted && written === position) return ended(true);
      const { epoch } = position;
      for await (const batch of trainLoader.epoch(epoch, position.stepInEpoch)) {
        const { step } = position;
        const rate = learningRate(schedule, step);
        const loss = trainer.step(batch, rate, epoch, step);
        position = {
          ...position,
          step: step + 1,
          stepInEpoch: position.stepInEpoch + 1,
          lossSum: position.lossSum + loss,
        };
        options.onStep?.(position, loss, trainer);
        if (position.step % recordEvery === 0) {
          options.onRecord?.({ kind: "step", step: position.step, epoch, loss, learningRate: rate });
        }
        await yieldToEvents();
        if (signal?.aborted) {
          await checkpoint();
          return ended(true);
        }
        if (performance.now() - saved > checkpointSeconds * 1000) {
          await checkpoint();
          saved = performance.now();
        }
      }
      const judging = { cut: false };
      const metrics =
        validationLoader && (await trainer.evaluate(untilAborted(validationLoader.epoch(0), signal, judging)));
      if (judging.cut) {
        // All steps of the epoch are in the checkpoint: who resumes evaluates first.
        await checkpoint();
        return ended(true);
      }
      const record: EpochRecord = {
        kind: "epoch",
        step: position.step,
        epoch: epoch + 1,
        trainLoss: position.lossSum / position.stepInEpoch,
        validation: metrics ? scoreOf(metrics) : null,
        learningRate: learningRate(schedule, position.step - 1),
      };
      const isBest = metrics !== undefined && isTaken(metrics, position.best, metrics.count);
      const best = isBest ? taken(epoch + 1, metrics, position.best) : position.best;
      position = { step: position.step, epoch: epoch + 1, stepInEpoch: 0, lossSum: 0, best };
      // In this order a kill between any two of them is mended by replaying from the checkpoint.
      options.onRecord?.(record);
      if (isBest) await options.onBest?.(trainer.model(), record);
      await checkpoint();
      saved = performance.now();
      await yieldToEvents();
    }
    return ended(false);
  } finally {
    trainer.dispose();
  }
}

function scoreOf({ loss, top1, top5 }: ClassificationMetrics): EpochScore {
  return { loss, top1, top5 };
}

/** The batches until the signal comes, looked for before each; then `state` says that they were cut short. */
async function* untilAborted(
  batches: AsyncIterable<TrainingBatch>,
  signal: AbortSignal | undefined,
  state: { cut: boolean },
): AsyncGenerator<TrainingBatch> {
  for await (const batch of batches) {
    await yieldToEvents();
    if (signal?.aborted) {
      state.cut = true;
      return;
    }
    yield batch;
  }
}
