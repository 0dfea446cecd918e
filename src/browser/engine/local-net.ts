import type { BlockAlgebra, BlockAlgebraOptions } from "../../analysis/block-algebra.js";
import { counts } from "../../analysis/counts.js";
import { memoryTimeline } from "../../analysis/memory.js";
import type { Backend } from "../../backend/backend.js";
import {
  classifierInput,
  classifierLogits,
  classifierOf,
  classifierShape,
  type NetClassifier,
  picturesOf,
} from "../../classifier/net-classifier.js";
import { framed, likeliest, pictureInput } from "../../classifier/prediction.js";
import { UserError } from "../../core/errors.js";
import { createSession, type Session, type SessionOutputs } from "../../engine/session.js";
import type { SaveOptions } from "../../exchange/encode-net.js";
import { foldNet } from "../../exchange/fold-net.js";
import type { Net } from "../../exchange/net.js";
import { inputShapes } from "../../exchange/net-inputs.js";
import type { Container } from "../../exchange/sniff.js";
import type { FoldReport } from "../../fold/report.js";
import type { Model } from "../../nn/model.js";
import type { Verification } from "../../verify/verify-models.js";
import { decodePicture, type Picture } from "../picture.js";
import type {
  Classification,
  ClassifyOptions,
  EngineNet,
  EngineVerifyOptions,
  NetInfo,
  NetPlan,
  PlanOptions,
} from "./contract.js";
import { netInfo } from "./net-info.js";

/** What a net needs of its engine. */
export interface NetOwner {
  readonly backend: Backend;
  /** Keeps a net until it or the engine is disposed. */
  hold(net: LocalNet): LocalNet;
  forget(net: LocalNet): void;
}

/** A net of this engine: of another one it would have other kernels. */
export function local(net: EngineNet): LocalNet {
  if (net instanceof LocalNet) return net;
  throw new UserError({ expected: "a net of this engine", received: "one of another" });
}

/** A net on the calling thread, with a session for each kind of kernels that it was asked on. */
export class LocalNet implements EngineNet {
  readonly info: NetInfo;
  readonly #owner: NetOwner;
  readonly #sessions = new Map<Backend, Session>();
  #net: Net | undefined;
  #asClassifier: NetClassifier | undefined;

  constructor(owner: NetOwner, net: Net) {
    this.#owner = owner;
    this.#net = net;
    this.info = netInfo(net);
  }

  get value(): Net {
    if (this.#net) return this.#net;
    throw new UserError({ expected: "a net in use", received: "one that was disposed" });
  }

  async classify(picture: Picture, { topK = 5, signal }: ClassifyOptions = {}): Promise<Classification> {
    signal?.throwIfAborted();
    const pixels = await decodePicture(picture);
    signal?.throwIfAborted();
    const classifier = this.#classifier();
    const session = this.#session(classifier);
    const start = performance.now();
    const input = classifierInput(classifier, framed(pixels, classifier.preprocessing));
    const ready = performance.now();
    const logits = classifierLogits(classifier, session.run(input)[classifier.outputName]!, 1);
    const end = performance.now();
    return {
      predictions: likeliest(logits, classifier.classNames, topK),
      logits,
      preprocessMilliseconds: ready - start,
      netMilliseconds: end - ready,
    };
  }

  async features(picture: Picture, names: readonly string[]): Promise<SessionOutputs> {
    const { preprocessing, input: reads } = picturesOf(this.value);
    const input = pictureInput(await decodePicture(picture), preprocessing, reads.layout);
    const { withFeatures } = await import("../../exchange/backbone.js");
    const graph = withFeatures(this.value.graph, names, { head: false });
    const { backend } = this.#owner;
    const session = createSession(graph, { backend, shape: input.shape, fuseBatchNorm: false });
    try {
      return session.run(input);
    } finally {
      session.dispose();
    }
  }

  async fold(): Promise<{ readonly net: LocalNet; readonly report: FoldReport }> {
    const { net, report } = foldNet(this.value);
    return { net: this.#owner.hold(new LocalNet(this.#owner, net)), report };
  }

  // Bundlers make what few pages do files of their own: the engine starts the sooner.

  async verify(candidate: EngineNet, options: EngineVerifyOptions = {}): Promise<Verification> {
    const { verify } = await import("../verify.js");
    return verify(this.value, local(candidate).value, { ...options, backend: this.#owner.backend });
  }

  async blockAlgebra(path: string, options?: BlockAlgebraOptions): Promise<BlockAlgebra> {
    const { blockAlgebra } = await import("../../analysis/block-algebra.js");
    return blockAlgebra(await this.model(), path, options);
  }

  async plan({ size, fuseBatchNorm = false }: PlanOptions = {}): Promise<NetPlan> {
    const { graph, model } = this.value;
    const shape = inputShapes(this.value, 1, size);
    const session = createSession(graph, { backend: this.#owner.backend, shape, fuseBatchNorm });
    try {
      const report = session.plan();
      const pictureSize = size ?? model?.metadata.preprocessing.size;
      return {
        report,
        memory: memoryTimeline(report),
        counts: model && counts(model.architecture, pictureSize),
      };
    } finally {
      session.dispose();
    }
  }

  async save(format: Container, options?: SaveOptions): Promise<Blob> {
    const { netFile } = await import("../net-file.js");
    return netFile(this.value, format, options);
  }

  async model(): Promise<Model> {
    const { model } = this.value;
    if (model) return model;
    throw new UserError({ expected: "a RepVGG", received: "a graph of another kind" });
  }

  dispose(): void {
    for (const session of this.#sessions.values()) session.dispose();
    this.#sessions.clear();
    this.#net = undefined;
    this.#asClassifier = undefined;
    this.#owner.forget(this);
  }

  /** @throws UserError for a net that is none. */
  #classifier(): NetClassifier {
    this.#asClassifier ??= classifierOf(this.value);
    return this.#asClassifier;
  }

  #session(classifier: NetClassifier): Session {
    const { backend } = this.#owner;
    const ready = this.#sessions.get(backend);
    if (ready) return ready;
    const session = createSession(this.value.graph, { backend, shape: classifierShape(classifier, 1) });
    this.#sessions.set(backend, session);
    return session;
  }
}
