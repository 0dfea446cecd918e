/** What `repvgg train` is told by a recipe of docs/train.md. */
export interface Recipe {
  /** A known name, or where the reader's pictures are. */
  readonly data: string;
  /** Every option but the seed, the run's folder and the threads. */
  readonly options: string;
}
export const recipes: { readonly "fashion-mnist": Recipe; readonly cifar10: Recipe };

/** A short training that was judged by held-out training pictures. */
export interface Trial {
  readonly data: string;
  readonly epochs: number;
  readonly depths: readonly number[];
  readonly widths: readonly number[];
  readonly strides: readonly number[];
  readonly augmentation: string;
  readonly erasing?: number;
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly warmupEpochs: number;
  readonly labelSmoothing: number;
  readonly ema: number;
}
export const trials: Readonly<Record<string, Trial>>;
