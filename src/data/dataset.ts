/** A decoded picture: rows of pixels, channels last, 8 bits (grey or RGB; sRGB values, alpha composited away). Treat as immutable. */
export interface Image {
  /** In pixels. */
  readonly width: number;
  /** In pixels. */
  readonly height: number;
  /** 1 grey, 3 RGB. */
  readonly channels: 1 | 3;
  /** [height][width][channels] */
  readonly data: Uint8Array;
  /** Of a file that holds several (animations, pages of a TIFF): how many; the first is what was decoded. Else undefined. */
  readonly frames?: number;
}

/** Labelled pictures that can be read by index, in any order and from any worker. */
export interface Dataset {
  /** For messages and provenance: "fashion-mnist/train". */
  readonly name: string;
  /** In the order of the labels. */
  readonly classNames: readonly string[];
  /** Number of pictures. */
  readonly length: number;
  /** Channels that pictures of this set have by nature; a loader converts where a net wants others. */
  readonly channels: 1 | 3;
  /** Files that were found unusable when the set was opened (never any in a strict set); they have no index. */
  readonly skipped: readonly SkippedFile[];
  /** What else lies in a folder of pictures and was not looked at, by kind, the commonest first. Of other sets undefined. */
  readonly ignored?: readonly IgnoredFiles[];
  /** How it was read where that had to be found out, in sentences: which columns of a list say what. */
  readonly notes?: readonly string[];
  /** Class index of picture i, without decoding it. */
  label(index: number): number;
  /** Decodes picture i. @throws BrokenImageError (a UserError) naming the file where it is broken. */
  read(index: number): Promise<Image> | Image;
  /** The pictures at `indices`, in that order, as a data set of its own. */
  select(indices: ArrayLike<number>, name?: string): Dataset;
  /**
   * Plain data from which a loader's worker opens the same data set again (`openDataset(source)`).
   * Undefined: the set lives in memory only.
   */
  readonly source: DatasetSource | undefined;
}

/** Where a data set is: structured-cloneable. */
export type DatasetSource =
  | FolderSource
  | { readonly kind: "idx"; readonly images: string; readonly labels: string; readonly classNames: readonly string[] }
  | { readonly kind: "cifar10"; readonly files: readonly string[] };

/** An image folder as it was listed once: nobody lists it again, so that all workers agree on the indices. */
export interface FolderSource {
  /** Tells it from other sources. */
  readonly kind: "folder";
  /** Of the data set. */
  readonly name: string;
  /** Of the folder. */
  readonly path: string;
  /** A broken file is an error: else it is named and skipped. */
  readonly strict: boolean;
  /** That pictures are decoded to. */
  readonly channels: 1 | 3;
  /** In the order of the labels. */
  readonly classNames: readonly string[];
  /** Relative to `path`. */
  readonly files: readonly string[];
  /** Class index of each file. */
  readonly labels: Int32Array;
  /** Where a list divides the pictures of one folder: which part these are. */
  readonly split?: string;
}

/** A file that is left out, and why. */
export interface SkippedFile {
  /** Its path, below the data set's folder where there is one. */
  readonly file: string;
  /** In words. */
  readonly reason: string;
}

/** Files (or folders) of a kind that are no pictures of a data set. */
export interface IgnoredFiles {
  /** "text", "HEIC (this build of sharp has no HEVC decoder)", "hidden file". */
  readonly kind: string;
  /** How many there are. */
  readonly count: number;
  /** The first of them, below the data set's folder. */
  readonly example: string;
  /** They show something and can be converted: these are pictures that a training misses. */
  readonly convertible: boolean;
}

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
