/** A decoded picture: rows of pixels, channels last, 8 bits (grey or RGB; sRGB values, alpha composited away). */
export interface Image {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  /** [height][width][channels] */
  readonly data: Uint8Array;
}

/** Labelled pictures that can be read by index, in any order and from any worker. */
export interface Dataset {
  /** For messages and provenance: "fashion-mnist/train". */
  readonly name: string;
  readonly classNames: readonly string[];
  readonly length: number;
  /** Channels that pictures of this set have by nature; a loader converts where a net wants others. */
  readonly channels: 1 | 3;
  /** Class index of picture i, without decoding it. */
  label(index: number): number;
  /** Decodes picture i. @throws UserError naming the file where it is broken. */
  read(index: number): Promise<Image> | Image;
  /**
   * Plain data from which a loader's worker opens the same data set again (`openDataset(source)`).
   * Undefined: the set lives in memory only and is read on the caller's thread.
   */
  readonly source: DatasetSource | undefined;
}

/** Where a data set is: structured-cloneable. */
export type DatasetSource =
  | { readonly kind: "folder"; readonly path: string; readonly strict: boolean }
  | { readonly kind: "idx"; readonly images: string; readonly labels: string; readonly classNames: readonly string[] }
  | { readonly kind: "cifar10"; readonly files: readonly string[] };

/** Pictures of one training or evaluation step, all of one size. */
export interface Batch {
  readonly size: number;
  readonly height: number;
  readonly width: number;
  readonly channels: 1 | 3;
  /** [size][height][width][channels] */
  readonly images: Uint8Array;
  /** Class indices. */
  readonly labels: Int32Array;
  /** Index in the data set of each picture. */
  readonly indices: Int32Array;
}
