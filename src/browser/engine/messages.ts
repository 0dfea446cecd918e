import type { BlockAlgebra, BlockAlgebraOptions } from "../../analysis/block-algebra.js";
import type { PackedError } from "../../core/packed-error.js";
import type { SessionOutputs } from "../../engine/session.js";
import type { SaveOptions } from "../../exchange/encode-net.js";
import type { Container } from "../../exchange/sniff.js";
import type { FoldReport } from "../../fold/report.js";
import type { ArchitectureSpec } from "../../nn/build-architecture.js";
import type { Model } from "../../nn/model.js";
import type { RepvggOptions } from "../../nn/repvgg.js";
import type { EpochRecord } from "../../train/history.js";
import type { Verification } from "../../verify/verify-models.js";
import type { FetchOptions, LoadProgress } from "../fetch-bytes.js";
import type { FileSource } from "../load.js";
import type { PortablePicture } from "../picture.js";
import type { TrainStep } from "../train.js";
import type {
  Classification,
  EngineLoadOptions,
  EnginePictures,
  EngineVerifyOptions,
  KernelOptions,
  KernelsInUse,
  NetInfo,
  NetPlan,
  PictureFiles,
  PlanOptions,
  TrainingFacts,
  TrainingOptions,
  Watched,
} from "./contract.js";

/** A net, pictures or a training in the worker. */
export type Handle = number;

/** A net as the page knows it. */
export interface NetReply {
  readonly net: Handle;
  readonly info: NetInfo;
}

type Portable<T> = Omit<T, "signal" | "onProgress">;

export type TrainingEvent =
  | { readonly step: TrainStep }
  | { readonly epoch: EpochRecord }
  | { readonly watched: Watched };

/** What the page asks of the worker: arguments, result, and events before it. */
export interface Calls {
  start: { args: [options: KernelOptions]; result: KernelsInUse; event: never };
  use: { args: [options: KernelOptions]; result: KernelsInUse; event: never };
  load: {
    args: [source: FileSource | Model, options: Portable<EngineLoadOptions>];
    result: NetReply;
    event: LoadProgress;
  };
  create: { args: [nameOrSpec: string | ArchitectureSpec, options: RepvggOptions]; result: NetReply; event: never };
  classify: {
    args: [net: Handle, picture: PortablePicture, topK: number | undefined];
    result: Classification;
    event: never;
  };
  features: {
    args: [net: Handle, picture: PortablePicture, names: readonly string[]];
    result: SessionOutputs;
    event: never;
  };
  fold: { args: [net: Handle]; result: NetReply & { readonly report: FoldReport }; event: never };
  verify: {
    args: [
      reference: Handle,
      candidate: Handle,
      options: Omit<EngineVerifyOptions, "pictures" | "signal"> & { readonly pictures?: readonly PortablePicture[] },
    ];
    result: Verification;
    event: never;
  };
  blockAlgebra: {
    args: [net: Handle, path: string, options: BlockAlgebraOptions | undefined];
    result: BlockAlgebra;
    event: never;
  };
  plan: { args: [net: Handle, options: PlanOptions | undefined]; result: NetPlan; event: never };
  save: { args: [net: Handle, format: Container, options: SaveOptions | undefined]; result: Blob; event: never };
  model: { args: [net: Handle]; result: Model; event: never };
  openPictures: {
    args: [files: PictureFiles, options: Portable<FetchOptions>];
    result: { readonly pictures: Handle; readonly info: EnginePictures["info"] };
    event: LoadProgress;
  };
  readPictures: {
    args: [pictures: Handle, part: "train" | "test", indices: readonly number[]];
    result: Awaited<ReturnType<EnginePictures["read"]>>;
    event: never;
  };
  /** The training goes by the id of this call: `pause`, `resume`, `stop`, `snapshot`. */
  train: {
    args: [
      net: Handle,
      pictures: Handle,
      options: Omit<TrainingOptions, "signal" | "onStep" | "onEpoch" | "onWatched">,
    ];
    result: NetReply & TrainingFacts;
    event: TrainingEvent;
  };
  steer: { args: [training: number, command: "pause" | "resume" | "stop"]; result: undefined; event: never };
  snapshot: { args: [training: number]; result: NetReply; event: never };
  release: { args: [held: Handle]; result: undefined; event: never };
}

export type CallName = keyof Calls;

/** Page → worker. */
export type ToWorker =
  | { readonly id: number; readonly call: CallName; readonly args: readonly unknown[] }
  | { readonly id: number; readonly abort: true };

/** Worker → page. */
export type FromWorker =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly event: unknown }
  | { readonly id: number; readonly error: PackedError };
