import type { ComputeOptions } from "../backend/using-backend.node.js";
import type { SkippedFile } from "../data/dataset.js";
import type { OpenOptions } from "../data/open-dataset.node.js";
import type { RunPosition } from "../train/checkpoint.js";
import type { EpochRecord } from "../train/history.js";

/** What does not change the result. */
export interface TrainProcessOptions extends ComputeOptions, OpenOptions {
  /** Threads that decode and vary pictures. Default: see the loader. */
  readonly workers?: number;
  /** Stops after the step under way; the run can be resumed. */
  readonly signal?: AbortSignal;
  /** Seconds between checkpoints inside an epoch. Default 60. */
  readonly checkpointSeconds?: number;
  /** Told of each optimizer step that is done, with the loss of its batch. */
  readonly onStep?: (position: RunPosition, loss: number, stepsPerEpoch: number) => void;
  /** Told of each epoch's losses, and how it did on the validation pictures. */
  readonly onEpoch?: (record: EpochRecord) => void;
  /** Told of the pictures decoded, where a folder's are small enough to be decoded once, before the first epoch. */
  readonly onDecode?: (done: number, total: number) => void;
  /** Told of the pictures that went through a frozen part of the net, whose features are kept, before the first epoch. */
  readonly onFeatures?: (done: number, total: number) => void;
  /** Told of the test pictures that were looked at, once, at the end. */
  readonly onTest?: (done: number, total: number) => void;
  /** Told in a sentence what may surprise: that a run goes on with other kernels. */
  readonly onRemark?: (sentence: string) => void;
  /** Write report.html into the run's folder at the end: some seconds. Default true. */
  readonly report?: boolean;
  /** The command line that began the run, for its model card. */
  readonly command?: string;
  /** Told of each file that is left out, as soon as it is found unusable. */
  readonly onSkip?: (file: SkippedFile) => void;
}
