import type { BlockAlgebra } from "../analysis/block-algebra.js";
import type { TrainingSets } from "../api/training-sets.js";
import type { Model } from "../nn/model.js";
import type { Section } from "../report/report-page.js";
import type { Machine } from "../studies/bench/machine.js";
import type { Profile } from "../studies/profile/profile.js";
import type { TrainConfig } from "../train/config.js";
import type { EpochRecord } from "../train/history.js";
import type { Verification } from "../verify/verify-models.js";
import type { Measured } from "./measured.js";

/** A run that came to its end. */
export interface FinishedRun {
  readonly model: Model;
  readonly config: TrainConfig;
  readonly epochs: readonly EpochRecord[];
  /** The epoch whose net `model` is. */
  readonly chosen: EpochRecord;
  readonly sets: TrainingSets;
  /** Undefined where all pictures were trained on. */
  readonly measured: Measured | undefined;
  readonly warnings: readonly string[];
  /** What was done to the net at the end, in sentences. */
  readonly remarks: readonly string[];
}

/** All that a report on a run shows. */
export interface TrainingFacts extends FinishedRun {
  readonly mistakes: readonly Section[];
  /** Both forms on pictures that were not trained on, where there are any. Undefined: the net's blocks do not fold. */
  readonly verification: Verification | undefined;
  /** Kernels of one block. Undefined: its blocks are no plain sums of branches. */
  readonly algebra: BlockAlgebra | undefined;
  /** Undefined for nets so large that a report would take long. */
  readonly profile: Profile | undefined;
  readonly machine: Machine;
}
