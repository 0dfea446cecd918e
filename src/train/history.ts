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
  readonly kind: "epoch";
  readonly step: number;
  /** Epochs done. */
  readonly epoch: number;
  /** Mean of the epoch's step losses. */
  readonly trainLoss: number;
  readonly testLoss: number;
  /** Shares in [0, 1]. */
  readonly testTop1: number;
  readonly testTop5: number;
  readonly learningRate: number;
}

export type HistoryRecord = StepRecord | EpochRecord;
