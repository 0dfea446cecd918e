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
  /** On the validation pictures, at the epoch's end; null where there are none. The test pictures are not looked at. */
  readonly validation: EpochScore | null;
  /** Of the epoch's last step. */
  readonly learningRate: number;
}

/** How a net does on pictures. */
export interface EpochScore {
  /** Mean cross-entropy, without label smoothing. */
  readonly loss: number;
  /** Share whose likeliest class is right, in [0, 1]. */
  readonly top1: number;
  /** Share whose class is among the five likeliest. */
  readonly top5: number;
  /** Mean recall of the classes that have pictures, where the loss makes up for their sizes (`balance`): then this judges an epoch. */
  readonly balancedAccuracy?: number;
}

export type HistoryRecord = StepRecord | EpochRecord;
