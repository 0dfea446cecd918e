import type { BackendOptions } from "../backend/options.js";
import { UserError } from "../core/errors.js";
import type { Preprocessing } from "../core/preprocessing.js";
import type { SessionTensor } from "../engine/session.js";
import type { Form } from "../nn/architecture.js";
import type { Picture } from "./picture.js";
import type { Classification, ClassifyOptions } from "./prediction.js";

/** Names as in {@link ClassifierOptions}; the classifiers of a process with the same kernels and threads share them. */
export interface ClassifierOptions extends BackendOptions {
  /** Calls that may be under way or wait; more are refused ({@link BusyError}). Default 256. */
  readonly queue?: number;
  /** Pictures that go through the net together, where so many wait: a power of 2 up to 64. The bits do not depend on it. Default 8. */
  readonly batch?: number;
  /** Pictures of this classifier that are read and decoded at once, from 1 to 64. Default 4. */
  readonly concurrency?: number;
  /** Largest picture that is taken from the network, a stream or a Blob, in bytes. Default 64 MiB. */
  readonly maxBytes?: number;
}

/** A net that answers, off the caller's thread. */
export interface Classifier {
  /** What computes. */
  readonly kernels: ClassifierKernels;
  /** What is known of the net, and what had to be assumed. */
  readonly info: ClassifierInfo;
  /**
   * What a picture shows. Calls may run side by side; what waits goes through the net together.
   * @throws UserError for what is no picture or damaged; BusyError for more calls than `queue`; the signal's reason, at once.
   */
  classify(picture: Picture, options?: ClassifyOptions): Promise<Classification>;
  /**
   * Values inside the net as it was given (before it was folded), by their names in the graph: "stage2", "stage1.0.rbr_reparam".
   * @throws UserError for a value that the net has not, with the nearest name; as {@link classify}.
   */
  features(
    picture: Picture,
    names: readonly string[],
    options?: { readonly signal?: AbortSignal },
  ): Promise<Readonly<Record<string, SessionTensor>>>;
  /** Lets go of the net; calls under way and later ones reject. Idempotent. */
  dispose(): Promise<void>;
  /** {@link Classifier.dispose}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** The kernels that a classifier computes with. */
export interface ClassifierKernels {
  /** "native x86-64-v4", "wasm simd+threads". */
  readonly name: string;
  /** That share the work; those of other classifiers with the same options are the same. */
  readonly threads: number;
  /** What keeps them from being faster, each in one sentence: that there are no native ones for this machine. */
  readonly notes: readonly string[];
}

/** What is known of a classifier's net. */
export interface ClassifierInfo {
  /** "A0", "custom"; of graphs that are no RepVGG "graph". */
  readonly name: string;
  /** In which the net was given; it runs in its plain form. */
  readonly form: Form | undefined;
  /** In the order of the logits. */
  readonly classNames: readonly string[];
  /** How pictures are prepared for it. */
  readonly preprocessing: Preprocessing;
  /** What was assumed and changed: about the file, the form, the batches. */
  readonly notes: readonly string[];
}

/** More calls than a classifier's `queue`: of a server, the answer is 503. */
export class BusyError extends UserError {
  /** "BusyError". */
  override readonly name: string = "BusyError";

  /** @param queue the limit */
  constructor(queue: number) {
    super({
      expected: `at most ${queue} calls under way or waiting`,
      received: "one more",
      remedy: "try again later, or raise the classifier's queue",
    });
  }
}
