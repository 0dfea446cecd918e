import type { BlockAlgebraOptions } from "../../analysis/block-algebra.js";
import { UserError } from "../../core/errors.js";
import type { SaveOptions } from "../../exchange/encode-net.js";
import type { Container } from "../../exchange/sniff.js";
import { looksPublished } from "../../hub/address.js";
import type { ArchitectureSpec } from "../../nn/build-architecture.js";
import type { Model } from "../../nn/model.js";
import type { RepvggOptions } from "../../nn/repvgg.js";
import type { FetchOptions } from "../fetch-bytes.js";
import type { FileSource } from "../load.js";
import { type Picture, portablePicture } from "../picture.js";
import type {
  Classification,
  ClassifyOptions,
  Engine,
  EngineLoadOptions,
  EngineNet,
  EnginePictures,
  EngineVerifyOptions,
  KernelOptions,
  KernelsInUse,
  NetInfo,
  PictureFiles,
  PlanOptions,
  Training,
  TrainingOptions,
  TrainingResult,
} from "./contract.js";
import type { Handle, NetReply, TrainingEvent } from "./messages.js";
import { RemoteCalls, unreachable } from "./remote-calls.js";

/** @throws UserError where the package comes from another site than the page, which may start no worker of it. */
function engineWorker(): Worker {
  try {
    return new Worker(new URL("./worker-main.js", import.meta.url), { type: "module", name: "repvgg-engine" });
  } catch {
    throw unreachable();
  }
}

/** An engine in a worker: the page's thread only sends and receives. */
export class RemoteEngine implements Engine {
  readonly #calls: RemoteCalls;
  #kernels: KernelsInUse;

  private constructor(calls: RemoteCalls, kernels: KernelsInUse) {
    this.#calls = calls;
    this.#kernels = kernels;
  }

  /** @throws UserError for kernels that are not to be had, and a worker that cannot be started. */
  static async start(options: KernelOptions): Promise<RemoteEngine> {
    const calls = new RemoteCalls(engineWorker());
    try {
      return new RemoteEngine(calls, await calls.call("start", [options]).result);
    } catch (error) {
      calls.end(error as Error);
      throw error;
    }
  }

  get kernels(): KernelsInUse {
    return this.#kernels;
  }

  async use(options: KernelOptions): Promise<KernelsInUse> {
    this.#kernels = await this.#calls.call("use", [options]).result;
    return this.#kernels;
  }

  async load(source: FileSource | Model, options: EngineLoadOptions = {}): Promise<EngineNet> {
    const { signal, onProgress, ...portable } = options;
    const call = { signal, ...(onProgress && { onEvent: onProgress }) };
    return this.#net(
      await this.#calls.call("load", [named(source) ? source : absolute(source), portable], call).result,
    );
  }

  async create(nameOrSpec: string | ArchitectureSpec, options: RepvggOptions = {}): Promise<EngineNet> {
    return this.#net(await this.#calls.call("create", [nameOrSpec, options]).result);
  }

  async openPictures(files: PictureFiles, options: FetchOptions = {}): Promise<EnginePictures> {
    const { signal, onProgress, ...portable } = options;
    const part = ({ images, labels }: PictureFiles["train"]) => ({
      images: absolute(images),
      labels: absolute(labels),
    });
    const found = { ...files, train: part(files.train), test: part(files.test) };
    const call = { signal, ...(onProgress && { onEvent: onProgress }) };
    const { pictures, info } = await this.#calls.call("openPictures", [found, portable], call).result;
    return new RemotePictures(this.#calls, pictures, info);
  }

  train(net: EngineNet, pictures: EnginePictures, options: TrainingOptions = {}): Training {
    return new RemoteTraining(this.#calls, handleOf(net), (pictures as RemotePictures).handle, options, (reply) =>
      this.#net(reply),
    );
  }

  dispose(): void {
    this.#calls.end(new UserError({ expected: "an engine in use", received: "one that was disposed" }));
  }

  #net({ net, info }: NetReply): EngineNet {
    return new RemoteNet(this.#calls, net, info);
  }
}

/** A published net's name is no address. */
function named(source: unknown): boolean {
  return typeof source === "string" && looksPublished(source);
}

/** Addresses mean the page's, not the worker's. */
function absolute<T>(source: T): T | string {
  if (source instanceof URL) return source.href;
  const base = typeof document === "undefined" ? location.href : document.baseURI;
  return typeof source === "string" ? new URL(source, base).href : source;
}

function handleOf(net: EngineNet): Handle {
  if (net instanceof RemoteNet) return net.handle;
  throw new UserError({ expected: "a net of this engine", received: "one of another" });
}

class RemoteNet implements EngineNet {
  readonly info: NetInfo;
  readonly #calls: RemoteCalls;
  readonly #handle: Handle;
  #disposed = false;

  constructor(calls: RemoteCalls, handle: Handle, info: NetInfo) {
    this.#calls = calls;
    this.#handle = handle;
    this.info = info;
  }

  get handle(): Handle {
    if (!this.#disposed) return this.#handle;
    throw new UserError({ expected: "a net in use", received: "one that was disposed" });
  }

  async classify(picture: Picture, { topK, signal }: ClassifyOptions = {}): Promise<Classification> {
    const { picture: portable, move } = await portablePicture(picture);
    return this.#calls.call("classify", [this.handle, portable, topK], { signal, move }).result;
  }

  async features(picture: Picture, names: readonly string[]) {
    const { picture: portable, move } = await portablePicture(picture);
    return this.#calls.call("features", [this.handle, portable, names], { move }).result;
  }

  async fold() {
    const { report, ...reply } = await this.#calls.call("fold", [this.handle]).result;
    return { net: new RemoteNet(this.#calls, reply.net, reply.info), report };
  }

  async verify(candidate: EngineNet, options: EngineVerifyOptions = {}) {
    const { pictures, signal, ...rest } = options;
    const portable = pictures && (await Promise.all(pictures.map(portablePicture)));
    const sent = { ...rest, ...(portable && { pictures: portable.map(({ picture }) => picture) }) };
    const move = portable?.flatMap((one) => one.move) ?? [];
    return this.#calls.call("verify", [this.handle, handleOf(candidate), sent], { signal, move }).result;
  }

  async blockAlgebra(path: string, options?: BlockAlgebraOptions) {
    return this.#calls.call("blockAlgebra", [this.handle, path, options]).result;
  }

  async plan(options?: PlanOptions) {
    return this.#calls.call("plan", [this.handle, options]).result;
  }

  async save(format: Container, options?: SaveOptions): Promise<Blob> {
    return this.#calls.call("save", [this.handle, format, options]).result;
  }

  async model(): Promise<Model> {
    return this.#calls.call("model", [this.handle]).result;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#calls.call("release", [this.#handle]).result.catch(() => {}); // the engine has ended: so has the net
  }
}

class RemotePictures implements EnginePictures {
  constructor(
    readonly calls: RemoteCalls,
    readonly handle: Handle,
    readonly info: EnginePictures["info"],
  ) {}

  read(part: "train" | "test", indices: readonly number[]): ReturnType<EnginePictures["read"]> {
    return this.calls.call("readPictures", [this.handle, part, indices]).result;
  }

  dispose(): void {
    this.calls.call("release", [this.handle]).result.catch(() => {});
  }
}

class RemoteTraining implements Training {
  readonly finished: Promise<TrainingResult>;
  readonly #calls: RemoteCalls;
  readonly #id: number;
  readonly #net: (reply: NetReply) => EngineNet;

  constructor(
    calls: RemoteCalls,
    net: Handle,
    pictures: Handle,
    options: TrainingOptions,
    makeNet: (reply: NetReply) => EngineNet,
  ) {
    const { signal, onStep, onEpoch, onWatched, ...portable } = options;
    const onEvent = (event: TrainingEvent): void => {
      if ("step" in event) onStep?.(event.step);
      else if ("epoch" in event) onEpoch?.(event.epoch);
      else onWatched?.(event.watched);
    };
    const { id, result } = calls.call("train", [net, pictures, portable], { onEvent });
    this.#calls = calls;
    this.#id = id;
    this.#net = makeNet;
    const stop = (): void => this.stop();
    this.finished = result
      .then(({ epochs, chosen, test, interrupted, stoppedEarly, ...reply }) => ({
        net: makeNet(reply),
        ...{ epochs, chosen, test, interrupted, stoppedEarly },
      }))
      .finally(() => signal?.removeEventListener("abort", stop));
    signal?.addEventListener("abort", stop);
    if (signal?.aborted) stop();
  }

  pause(): void {
    this.#steer("pause");
  }

  resume(): void {
    this.#steer("resume");
  }

  stop(): void {
    this.#steer("stop");
  }

  async snapshot(): Promise<EngineNet> {
    return this.#net(await this.#calls.call("snapshot", [this.#id]).result);
  }

  #steer(command: "pause" | "resume" | "stop"): void {
    this.#calls.call("steer", [this.#id, command]).result.catch(() => {}); // the engine has ended: so has the training
  }
}
