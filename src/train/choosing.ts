import { UserError } from "../core/errors.js";
import type { BestEpoch, RunPosition } from "./checkpoint.js";
import type { TrainConfig } from "./config.js";
import type { EpochScore } from "./history.js";

/** Whether an epoch is better than the best so far: more validation pictures right, of as many right a smaller loss. */
export function isBetter(score: EpochScore, best: BestEpoch | null): boolean {
  if (best === null) return true;
  return score.top1 === best.top1 ? score.loss < best.loss : score.top1 > best.top1;
}

/** As a checkpoint keeps it, in JSON, which has no infinite numbers. */
export function bestOf(epoch: number, { top1, loss }: EpochScore): BestEpoch {
  return { epoch, top1, loss: Number.isFinite(loss) ? loss : Number.MAX_VALUE };
}

/**
 * Whether a training ends early: `patience` epochs in a row were not better than the best one (Prechelt 1998, "Early stopping – but when?",
 * criterion UP on the score that chooses). A function of the position alone, so that a resumed run ends where one that never stopped does.
 * @param patientFrom epochs done when the run was given another length: patience counts from there
 */
export function hasStoppedEarly(
  { epoch, best }: Pick<RunPosition, "epoch" | "best">,
  { patience }: Pick<TrainConfig, "patience">,
  patientFrom = 0,
): boolean {
  return patience > 0 && best !== null && epoch - Math.max(best.epoch, patientFrom) >= patience;
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
