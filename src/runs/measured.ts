import type { Evaluation } from "../api/evaluation.js";
import type { TrainingSets } from "../api/training-sets.js";
import { plural } from "../core/format.js";
import type { Dataset } from "../data/dataset.js";
import type { TrainConfig } from "../train/config.js";
import type { EpochRecord } from "../train/history.js";

/** Accuracy of the net that a run gives, and on what it was measured. */
export interface Measured {
  /**
   * "test": a split of its own; "held-out": a part of each class that was held out; "validation": where there is nothing to test on, the
   * pictures that judged the epochs, whose figures are a little too good.
   */
  readonly pictures: "test" | "held-out" | "validation";
  readonly dataset: Dataset;
  readonly evaluation: Evaluation;
}

/** Which epoch's net a run gives, and why: "epoch 7 of 10, chosen by 1,000 validation pictures". */
export function describeChoice(
  chosen: Pick<EpochRecord, "epoch">,
  done: number,
  { choose }: Pick<TrainConfig, "choose">,
  { validation }: Pick<TrainingSets, "validation">,
): string {
  if (!validation || choose === "last") return `epoch ${chosen.epoch}, the last`;
  return `epoch ${chosen.epoch} of ${done}, chosen by ${plural(validation.length, "validation picture")}`;
}
