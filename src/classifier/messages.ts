import type { BackendOptions } from "../backend/options.js";
import type { PackedError } from "../core/packed-error.js";
import type { SessionTensor } from "../engine/session.js";
import type { Net } from "../exchange/net.js";
import type { Model } from "../nn/model.js";
import type { ClassifierInfo, ClassifierKernels } from "./contract.js";
import type { PortablePicture } from "./picture.js";
import type { Classification } from "./prediction.js";

/* What a process and its classifiers' worker say to each other. */

/** What the worker begins with. */
export type WorkerStart = BackendOptions;

/** Where a net comes from, as another thread can be told. */
export type PortableNet =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array; readonly name: string }
  | { readonly kind: "model"; readonly model: Model; readonly notes: readonly string[] }
  | { readonly kind: "net"; readonly net: Net };

/** A net of the worker. */
export type NetId = number;

/** Calls with their answers. */
export interface Calls {
  open: {
    readonly args: {
      readonly net: NetId;
      readonly source: PortableNet;
      readonly batch: number;
      readonly concurrency: number;
    };
    readonly result: { readonly kernels: ClassifierKernels; readonly info: ClassifierInfo };
  };
  classify: {
    readonly args: { readonly net: NetId; readonly picture: PortablePicture; readonly topK: number };
    readonly result: Classification;
  };
  features: {
    readonly args: { readonly net: NetId; readonly picture: PortablePicture; readonly names: readonly string[] };
    readonly result: Readonly<Record<string, SessionTensor>>;
  };
  close: { readonly args: { readonly net: NetId }; readonly result: undefined };
  /** Lets go of everything, when the batch under way is done: the last call. */
  end: { readonly args: undefined; readonly result: undefined };
}

export type CallName = keyof Calls;

/** A call, or the wish that one be forgotten. */
export type ToWorker =
  | { [K in CallName]: { readonly id: number; readonly call: K; readonly args: Calls[K]["args"] } }[CallName]
  | { readonly call: "abort"; readonly id: number };

export type FromWorker =
  | { readonly id: number; readonly result: Calls[CallName]["result"] }
  | { readonly id: number; readonly error: PackedError };
