/** What is written once every few optimizer steps. */
export interface StepRecord {
  readonly kind: "step";
  /** Optimizer steps done. */
  readonly step: number;
  readonly epoch: number;
  /** Loss of this step's batch, as trained: label smoothing, mixup and auxiliary heads included. */
  readonly loss: number;
  readonly learningRate: number;
}

/** What is written at the end of an epoch. */
export interface EpochRecord {
  /** Tells it from the records of steps in a run's log. */
  readonly kind: "epoch";
  /** Optimizer steps done. */
  readonly step: number;
  /** Epochs done. */
  readonly epoch: number;
  /** Mean of the epoch's step losses. */
  readonly trainLoss: number;
  /** Mean cross-entropy on the test pictures. */
  readonly testLoss: number;
  /** Shares in [0, 1]. */
  readonly testTop1: number;
  /** Share of test pictures whose class is among the five likeliest. */
  readonly testTop5: number;
  /** Of the epoch's last step. */
  readonly learningRate: number;
}

export type HistoryRecord = StepRecord | EpochRecord;
