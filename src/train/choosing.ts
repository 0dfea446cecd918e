import { UserError } from "../core/errors.js";
import type { BestEpoch, RunPosition } from "./checkpoint.js";
import type { TrainConfig } from "./config.js";
import type { EpochScore } from "./history.js";

/**
 * Whether an epoch's net is taken in place of an earlier one's: its share of validation pictures right is the highest so far, or at most one
 * standard error, √(p(1 − p)/n), below it. So of epochs that the pictures cannot tell apart the last one counts (the one-standard-error rule of
 * Breiman et al. 1984, with "late" for "simple": the learning rate falls, and late nets wander least). The fewer the pictures, the later the net.
 * @param pictures that judged the epoch
 */
export function isTaken({ top1 }: Pick<EpochScore, "top1">, best: BestEpoch | null, pictures: number): boolean {
  if (best === null) return true;
  const highest = Math.max(best.highest.top1, top1);
  return top1 >= highest - Math.sqrt((highest * (1 - highest)) / pictures);
}

/** What is kept of an epoch that is taken. */
export function taken(epoch: number, { top1 }: Pick<EpochScore, "top1">, before: BestEpoch | null): BestEpoch {
  const highest = before !== null && before.highest.top1 >= top1 ? before.highest : { epoch, top1 };
  return { epoch, top1, highest };
}

/**
 * Whether a training ends early: in `patience` epochs in a row the share of validation pictures right was no new highest (Prechelt 1998, "Early stopping – but when?",
 * a stop when there is no progress). A function of the position alone, so that a resumed run ends where one that never stopped does.
 * @param patientFrom epochs done when the run was given another length: patience counts from there
 */
export function hasStoppedEarly(
  { epoch, best }: Pick<RunPosition, "epoch" | "best">,
  { patience }: Pick<TrainConfig, "patience">,
  patientFrom = 0,
): boolean {
  return patience > 0 && best !== null && epoch - Math.max(best.highest.epoch, patientFrom) >= patience;
}

/** @throws UserError for early stopping where nothing is there to judge an epoch by */
export function checkPatience({ patience }: Pick<TrainConfig, "patience">, validationPictures: number): void {
  if (patience === 0 || validationPictures > 0) return;
  throw new UserError({
    expected: "validation pictures to stop early by (--patience)",
    received: "none",
    remedy: "take a part of the training pictures (--validation 0.1), or put a val/ folder beside train/",
  });
}
