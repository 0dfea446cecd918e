import type { BlockAlgebra, BlockAlgebraOptions } from "../../analysis/block-algebra.js";
import type { Counts } from "../../analysis/counts.js";
import type { MemoryTimeline } from "../../analysis/memory.js";
import type { RelaxedChoice } from "../../backend/options.js";
import type { Classification, ClassifyOptions } from "../../classifier/prediction.js";
import type { Preprocessing } from "../../core/preprocessing.js";
import type { Image } from "../../data/dataset.js";
import type { PlanReport } from "../../engine/plan/report.js";
import type { SessionTensor } from "../../engine/session.js";
import type { SaveOptions } from "../../exchange/encode-net.js";
import type { NetSource } from "../../exchange/net.js";
import type { Container } from "../../exchange/sniff.js";
import type { FoldReport } from "../../fold/report.js";
import type { Architecture, Form } from "../../nn/architecture.js";
import type { ArchitectureSpec } from "../../nn/build-architecture.js";
import type { BlockLayout } from "../../nn/layout.js";
import type { Model } from "../../nn/model.js";
import type { RepvggOptions } from "../../nn/repvgg.js";
import type { TrainFields } from "../../recipe/training-setup.js";
import type { EpochRecord, EpochScore } from "../../train/history.js";
import type { CompareOptions } from "../../verify/compare.js";
import type { Verification } from "../../verify/verify-models.js";
import type { IdxFiles } from "../idx-file.js";
import type { FileSource, LoadOptions } from "../load.js";
import type { Picture } from "../picture.js";
import type { TrainStep } from "../train.js";

export type { Classification, ClassifyOptions };

/**
 * Promises: nets that are loaded, folded, asked, compared and trained, by default in a worker, so that the page's own thread
 * only waits; the same calls and results on the page's thread. Wrong input is a UserError, a signal's abort rejects at once.
 * Does not promise: that calls run side by side. They are done one after another; a training lets others in between its steps.
 */
export interface Engine {
  /** What computes. */
  readonly kernels: KernelsInUse;
  /** Computes with other kernels from now on; nets stay, and so does a training under way on its own. */
  use(options: KernelOptions): Promise<KernelsInUse>;
  /** Reads a net: see {@link loadNet}; a model that the caller has is taken as it is. */
  load(source: FileSource | Model, options?: EngineLoadOptions): Promise<EngineNet>;
  /** A fresh net: see {@link repvgg}. */
  create(nameOrSpec: string | ArchitectureSpec, options?: RepvggOptions): Promise<EngineNet>;
  /** Opens pictures to train and test on. */
  openPictures(
    files: PictureFiles,
    options?: Pick<LoadOptions, "signal" | "onProgress" | "cache">,
  ): Promise<EnginePictures>;
  /** Trains a copy of a net. */
  train(net: EngineNet, pictures: EnginePictures, options?: TrainingOptions): Training;
  /** Ends everything; calls under way reject. Idempotent. */
  dispose(): void;
}

/** Which kernels an engine computes with. */
export interface KernelOptions {
  /** Default: one a processor, at most 16; one where the page is not cross-origin isolated. */
  readonly threads?: number;
  /** Relaxed SIMD: see {@link BackendOptions}. Default "off". */
  readonly relaxed?: RelaxedChoice;
}

/** The kernels that an engine computes with. */
export interface KernelsInUse {
  /** "wasm simd+threads". */
  readonly name: string;
  /** That share the work. */
  readonly threads: number;
  /** Whether relaxed SIMD is in use, and whether this browser has it. */
  readonly relaxed: boolean;
  /** Whether this browser has relaxed SIMD. */
  readonly relaxedAvailable: boolean;
  /** What keeps it from being faster, each in one sentence: that the page is not isolated. */
  readonly notes: readonly string[];
}

/** How an engine reads a file: see {@link LoadOptions}. */
export type EngineLoadOptions = Omit<LoadOptions, "describe">;

/** A net that an engine holds. */
export interface EngineNet {
  /** What is known of it without running it. */
  readonly info: NetInfo;
  /** What a picture shows. */
  classify(picture: Picture, options?: ClassifyOptions): Promise<Classification>;
  /**
   * Values inside the net on a picture, by their names in the graph ("stage1", "stage1.0.rbr_reparam"). BatchNorm stays a step of its own.
   * @throws UserError for a value that the net has not, with the nearest name.
   */
  features(picture: Picture, names: readonly string[]): Promise<Readonly<Record<string, SessionTensor>>>;
  /** The plain form as a net of its own, and what was folded and left. */
  fold(): Promise<{ readonly net: EngineNet; readonly report: FoldReport }>;
  /** How far another net of this engine is from this one. */
  verify(candidate: EngineNet, options?: EngineVerifyOptions): Promise<Verification>;
  /** The kernels of a block at each step of folding. @throws UserError for a net that is no RepVGG. */
  blockAlgebra(path: string, options?: BlockAlgebraOptions): Promise<BlockAlgebra>;
  /** What the engine does to run one picture. */
  plan(options?: PlanOptions): Promise<NetPlan>;
  /** The net as a file. */
  save(format: Container, options?: SaveOptions): Promise<Blob>;
  /** The net as a value, copied to the caller. @throws UserError for a net that is no RepVGG. */
  model(): Promise<Model>;
  /** Lets go of the net. Idempotent; later calls reject. */
  dispose(): void;
}

/** What is known of a net without running it. Plain data. */
export interface NetInfo {
  /** "A0", "custom"; of graphs that are no RepVGG "graph". */
  readonly name: string;
  /** What its file was, and what had to be decided while reading it. */
  readonly source: NetSource;
  /** With branches or folded; undefined for graphs that are no RepVGG. */
  readonly form: Form | undefined;
  /** Of a RepVGG. */
  readonly architecture: Architecture | undefined;
  /** Of a RepVGG: its blocks in the order in which they run. */
  readonly blocks: readonly BlockLayout[];
  /** Of a RepVGG: parameters and arithmetic of both forms, for pictures of the net's own size. */
  readonly counts: Counts | undefined;
  /** In the order of the logits; empty where the net gives none. */
  readonly classNames: readonly string[];
  /** How pictures are prepared; undefined where the net does not read pictures. */
  readonly preprocessing: Preprocessing | undefined;
  /** What of both was assumed because the file does not say it, in sentences. */
  readonly assumed: readonly string[];
  /** Why the net cannot be asked for classes; undefined where it can. */
  readonly notClassifying: string | undefined;
  /** Where the weights come from: free text by key. */
  readonly provenance: Readonly<Record<string, string>>;
  /** Numbers in all weights, and their bytes. */
  readonly parameters: number;
  /** Bytes of all weights. */
  readonly bytes: number;
  /** The graph's nodes in the order in which they run. */
  readonly nodes: readonly {
    readonly name: string;
    readonly op: string;
    readonly inputs: readonly string[];
    readonly outputs: readonly string[];
  }[];
}

/** On what two nets of an engine are compared. */
export interface EngineVerifyOptions extends CompareOptions {
  /** Real pictures to compare on. Default: random inputs. */
  readonly pictures?: readonly Picture[];
  /** Gives up; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** For what a plan is made. */
export interface PlanOptions {
  /** Height and width of the picture. Default: the net's. */
  readonly size?: readonly [height: number, width: number];
  /** Default false: BatchNorm stays a step of its own, as in training form. */
  readonly fuseBatchNorm?: boolean;
}

/** What the engine does to run one picture, in numbers. */
export interface NetPlan {
  /** Step by step. */
  readonly report: PlanReport;
  /** Activations over time. */
  readonly memory: MemoryTimeline;
  /** Of a RepVGG: parameters and arithmetic of both forms. */
  readonly counts: Counts | undefined;
}

/** Labelled grey pictures in idx files: of training and of testing. */
export interface PictureFiles {
  /** Of the data set, for messages and a model's provenance. */
  readonly name: string;
  /** In the order of the labels. */
  readonly classNames: readonly string[];
  /** Pictures to learn from. */
  readonly train: IdxFiles;
  /** Pictures on which the net is measured once, at the end of a training. */
  readonly test: IdxFiles;
}

/** Pictures that an engine holds. */
export interface EnginePictures {
  /** What they are, and how many. */
  readonly info: {
    readonly name: string;
    readonly classNames: readonly string[];
    readonly channels: 1 | 3;
    /** Number of pictures. */
    readonly train: number;
    readonly test: number;
  };
  /** Some pictures of a part, with their labels. */
  read(
    part: "train" | "test",
    indices: readonly number[],
  ): Promise<readonly { readonly picture: Image; readonly label: number }[]>;
  /** Lets go of them. Idempotent. */
  dispose(): void;
}

export interface TrainingOptions extends TrainFields {
  /**
   * Part of each class's training pictures that judges epochs instead of being trained on, from 0 (none) to below 1. Default: 0.1 of 1,000
   * training pictures and more, of fewer 0.
   */
  readonly validation?: number;
  /** As {@link Training.stop}. */
  readonly signal?: AbortSignal;
  /** Told of each optimizer step that is done. */
  readonly onStep?: (step: TrainStep) => void;
  /** Told of each epoch's losses, and how it did on the validation pictures. */
  readonly onEpoch?: (record: EpochRecord) => void;
  /** Test pictures that the net is asked for while it learns: told first, and after every `everySteps` steps. */
  readonly watch?: { readonly indices: readonly number[]; readonly everySteps: number };
  /** Told what the net says of the watched pictures. */
  readonly onWatched?: (watched: Watched) => void;
}

/** What a net says of the watched pictures. */
export interface Watched {
  /** Optimizer steps done. */
  readonly step: number;
  /** [pictures][classes]: softmax of the logits. */
  readonly probabilities: readonly Float64Array[];
}

/** A training under way. */
export interface Training {
  /** Waits after the step under way. */
  pause(): void;
  /** Goes on after {@link Training.pause}. */
  resume(): void;
  /** Ends after the step under way: {@link finished} then resolves with what was learned. */
  stop(): void;
  /** The net as it is now. @throws UserError when the training has ended before it could be looked at. */
  snapshot(): Promise<EngineNet>;
  /** Rejects with a UserError for wrong options, or when the loss is not finite. */
  readonly finished: Promise<TrainingResult>;
}

/** What a training gave. */
export interface TrainingResult extends TrainingFacts {
  /** In training form: of the epoch that the validation pictures chose, else of the last step. */
  readonly net: EngineNet;
}

/** What a training says of itself at its end. Plain data. */
export interface TrainingFacts {
  /** Epochs that were completed, in order. */
  readonly epochs: readonly EpochRecord[];
  /** The epoch whose net it gives; undefined where it was stopped. */
  readonly chosen: EpochRecord | undefined;
  /** How the net does on the test pictures, looked at once; null where it was stopped. */
  readonly test: EpochScore | null;
  /** Ended because in `patience` epochs in a row no more validation pictures were right. */
  readonly stoppedEarly: boolean;
  /** Stopped before the last epoch's end. */
  readonly interrupted: boolean;
}
