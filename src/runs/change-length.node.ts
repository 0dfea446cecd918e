import type { TrainingSets } from "../api/training-sets.js";
import { UserError } from "../core/errors.js";
import { plural, shortNumber } from "../core/format.js";
import type { RunPosition } from "../train/checkpoint.js";
import { hasStoppedEarly } from "../train/choosing.js";
import { type TrainConfig, trainConfig } from "../train/config.js";
import type { RunDirectory } from "../train/run-directory.node.js";
import { learningRate, scheduleOf } from "../train/schedule.js";
import type { ChangedLength, RunSetup } from "./run-setup.node.js";

/** A run with another number of epochs. */
export interface LongerOrShorter {
  readonly setup: RunSetup;
  /** What happens to the learning rate. */
  readonly sentence: string;
}

/** Epochs from which patience counts: those that were done when the run was given another length. */
export function patientFrom({ changedLengths = [] }: Pick<RunSetup, "changedLengths">): number {
  return changedLengths.at(-1)?.atEpoch ?? 0;
}

/**
 * Gives a run another number of epochs, in its config.json. From the step where it stands the learning rate is that of a run of the new
 * length: with more epochs it rises, of a run that had ended from about 0 (a warm restart; Loshchilov and Hutter 2017 restart at the
 * highest rate); with fewer it falls. The best epoch so far stays the one to beat; patience counts anew.
 * @throws UserError for fewer epochs than are done
 */
export async function changeLength(
  run: RunDirectory,
  setup: RunSetup,
  epochs: number,
  position: RunPosition | undefined,
  sets: Pick<TrainingSets, "train" | "validation">,
): Promise<LongerOrShorter> {
  const { step = 0, epoch = 0, stepInEpoch = 0, best = null } = position ?? {};
  const before = trainConfig(setup.config);
  const config = trainConfig({ ...before, epochs });
  const begun = epoch + (stepInEpoch > 0 ? 1 : 0);
  if (epochs < begun) {
    throw new UserError({
      expected: `at least ${plural(begun, "epoch")}, which the run has ${stepInEpoch > 0 ? "begun" : "done"}`,
      received: String(epochs),
      remedy: "give more (--epochs), or begin a new run",
    });
  }
  const ended =
    position !== undefined && (epoch >= before.epochs || hasStoppedEarly({ epoch, best }, before, patientFrom(setup)));
  const change: ChangedLength = { from: before.epochs, to: epochs, atEpoch: epoch, atStep: step };
  const changedLengths = [...(setup.changedLengths ?? []), change];
  if (ended && epochs > epoch) {
    run.setEndAside(epoch, best !== null && sets.validation !== undefined && config.choose === "best");
  }
  const changed = { ...setup, config, changedLengths };
  await run.writeConfig(changed);
  const stepsPerEpoch =
    epoch > 0 ? Math.round((step - stepInEpoch) / epoch) : Math.floor(sets.train.length / config.batchSize);
  return { setup: changed, sentence: describeChange(change, ended, before, config, stepsPerEpoch) };
}

function describeChange(
  { from, to, atEpoch, atStep }: ChangedLength,
  ended: boolean,
  before: TrainConfig,
  config: TrainConfig,
  stepsPerEpoch: number,
): string {
  const lengths = `${plural(to, "epoch")} instead of ${from}`;
  if (to === atEpoch) return `${lengths}: all of them are done`;
  const rate = (of: TrainConfig, step: number): string =>
    shortNumber(learningRate(scheduleOf(of, stepsPerEpoch), step));
  const where = `from epoch ${atEpoch + 1} on the learning rate is that of a run of ${to}`;
  if (!ended) return `${lengths}: ${where}, now ${rate(config, atStep)} instead of ${rate(before, atStep)}`;
  return `${lengths}, a warm restart: the run had ended at a learning rate of ${rate(before, Math.max(0, atStep - 1))}; ${where}, now ${rate(config, atStep)}`;
}
