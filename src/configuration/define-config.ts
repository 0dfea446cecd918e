import type { AugmentationPreset } from "../data/augmentation/config.js";
import type { LabelColumns } from "../labels/columns.js";
import type { BlockKind } from "../nn/architecture.js";
import type { TrainConfig } from "../train/config.js";

/**
 * What a configuration file may hold: the options of `repvgg train` by their names without dashes, and `data`. Nothing is needed, and what
 * is on the command line wins.
 */
export interface TrainConfiguration
  extends LabelColumns,
    Partial<Omit<TrainConfig, "augmentation" | "nesterov" | "auxiliaryWeight">> {
  /** The folder, list of labels or known name: what stands first on the command line. */
  readonly data?: string;
  /** Folder of the run. */
  readonly out?: string;
  /** Net of the zoo. */
  readonly model?: string;
  /** Blocks of each stage. */
  readonly depths?: readonly number[];
  /** Channels of stage 0, 1, …. */
  readonly widths?: readonly number[];
  /** Stride of each stage's first block. */
  readonly strides?: readonly number[];
  /** Of every second layer. */
  readonly groups?: number;
  /** Side of the input, in pixels. */
  readonly size?: number;
  /** What a block is in training form. */
  readonly block?: BlockKind;
  /** False: without 1×1 branches. */
  readonly pointwise?: boolean;
  /** False: without identity branches. */
  readonly identity?: boolean;
  /** The net to begin with: a file, or what a hub calls it. */
  readonly from?: string;
  /** ε of the BatchNorms of `from`. */
  readonly batchNormEpsilon?: number;
  /** How pictures are varied. */
  readonly augmentation?: AugmentationPreset;
  /** Probability of random erasing. */
  readonly erasing?: number;
  /** Part of each class that is held out for testing where the data has no test split. */
  readonly holdOut?: number;
  /** Part of each class's training pictures that judges epochs. */
  readonly validation?: number;
  /** A broken picture is an error. */
  readonly strict?: boolean;
  /** Threads that compute. */
  readonly threads?: number;
  /** What computes. */
  readonly kernels?: "native" | "wasm";
  /** Threads that prepare pictures. */
  readonly workers?: number;
  /** Time between checkpoints inside an epoch. */
  readonly checkpointSeconds?: number;
  /** False: without report.html. */
  readonly report?: boolean;
  /** Print one JSON object. */
  readonly json?: boolean;
  /** No progress, no remarks. */
  readonly quiet?: boolean;
}

/**
 * The configuration as it is, with its types checked by the editor: `export default defineConfig({ epochs: 40 })` in
 * `repvgg.config.ts`, for `repvgg train --config repvgg.config.ts`.
 */
export function defineConfig(configuration: TrainConfiguration): TrainConfiguration {
  return configuration;
}
