import { fileURLToPath } from "node:url";
import { checkOptions, checkSignal, checkWhole } from "../core/check-options.js";
import { inMemory } from "../core/deferred-array.js";
import { UserError } from "../core/errors.js";
import type { NamedArrays } from "../core/named-arrays.js";
import { fetchFile } from "../data/remote-bytes.node.js";
import type { SessionTensor } from "../engine/session.js";
import { fileOf, type NetFile } from "../exchange/load-net.node.js";
import type { Net } from "../exchange/net.js";
import { isPublishedName, loadNamed, pathOfNet } from "../hub/named-net.node.js";
import { isModel } from "../nn/is-model.js";
import type { Model } from "../nn/model.js";
import {
  BusyError,
  type Classifier,
  type ClassifierInfo,
  type ClassifierKernels,
  type ClassifierOptions,
} from "./contract.js";
import type { Calls, NetId, PortableNet } from "./messages.js";
import type { Picture, PortablePicture } from "./picture.js";
import { readPicture } from "./picture.node.js";
import type { Classification, ClassifyOptions } from "./prediction.js";
import { type ClassifierThread, takeThread } from "./thread.node.js";

const optionNames = ["threads", "kernels", "relaxed", "queue", "batch", "concurrency", "maxBytes"];
/** Larger model files than a GiB or two are no classifiers. */
const mostNetBytes = 2 ** 32 - 1;

/**
 * A net made ready to say what pictures show, again and again, for a service: nothing but reading happens on the caller's thread. Nets
 * in training form are folded first. Bits of the answers are those of a session of the (plain) net on these kernels, whatever waits beside.
 * @param source a model, a net of {@link loadNet}, the name of a published net (`timm/repvgg_a0.rvgg_in1k`, got once and kept in the hub's
 *   cache), or a model file of any kind: its path, address (http, https or file; as a string or a URL) or contents. A file on disk stays open, and its weights go straight to the kernels.
 * @throws UserError for an unknown option, a file that holds no net, or a net that does not give classes of pictures.
 */
export async function createClassifier(
  source: Model | Net | NetFile,
  options: ClassifierOptions = {},
): Promise<Classifier> {
  checkOptions(options, optionNames, "createClassifier");
  const { queue, batch, concurrency, maxBytes } = options;
  checkWhole("queue", queue, 1);
  checkWhole("concurrency", concurrency, 1, 64);
  checkWhole("maxBytes", maxBytes, 1);
  if (batch !== undefined && ![1, 2, 4, 8, 16, 32, 64].includes(batch)) {
    throw new UserError({ expected: "batch as a power of 2 from 1 to 64", received: String(batch) });
  }
  const classifier = new ThreadedClassifier(await portableNet(source), options);
  await classifier.start();
  return classifier;
}

/** A net as it is given to the worker; again, where that has died. */
async function portableNet(source: Model | Net | NetFile): Promise<PortableNet> {
  if (isModel(source)) {
    const { architecture, form, state, metadata } = source;
    return { kind: "model", model: { architecture, form, state: loaded(state), metadata }, notes: [] };
  }
  if (isNet(source)) {
    const { graph, model, envelope, source: origin } = source;
    if (model) return { ...((await portableNet(model)) as PortableNet & { kind: "model" }), notes: origin.notes };
    const whole = { ...graph, initializers: loaded(graph.initializers) };
    return { kind: "net", net: { graph: whole, ...(envelope && { envelope }), source: origin } };
  }
  const url = source instanceof URL || /^(https?|file):/i.test(String(source)) ? new URL(String(source)) : undefined;
  if (url?.protocol === "file:") return { kind: "file", path: fileURLToPath(url) };
  if (!url && typeof source === "string" && isPublishedName(source)) return portableNet(await loadNamed(source));
  if (url) return { kind: "bytes", ...(await fetchFile(url, "a model file", { maxBytes: mostNetBytes })) };
  const file = await fileOf(source as NetFile);
  return "path" in file ? { kind: "file", path: pathOfNet(file.path) } : { kind: "bytes", ...file };
}

function isNet(source: unknown): source is Net {
  return typeof source === "object" && source !== null && "graph" in source && "source" in source;
}

function loaded(arrays: NamedArrays): NamedArrays {
  return new Map([...arrays].map(([name, array]) => [name, array.fill ? inMemory(array) : array]));
}

type Opened = Calls["open"]["result"];

class ThreadedClassifier implements Classifier {
  readonly #source: PortableNet;
  readonly #options: ClassifierOptions;
  readonly #queue: number;
  /** Calls under way, each with what ends it. */
  readonly #calls = new Set<AbortController>();
  #thread: ClassifierThread | undefined;
  #net: NetId = 0;
  #opening: Promise<Opened> | undefined;
  #opened!: Opened;
  #disposal: Promise<void> | undefined;

  constructor(source: PortableNet, options: ClassifierOptions) {
    this.#source = source;
    this.#options = options;
    this.#queue = options.queue ?? 256;
  }

  /** Opens the net in the worker. */
  async start(): Promise<void> {
    try {
      await this.#ready();
    } catch (error) {
      await this.dispose();
      throw error;
    }
  }

  get kernels(): ClassifierKernels {
    return this.#opened.kernels;
  }

  get info(): ClassifierInfo {
    return this.#opened.info;
  }

  async classify(picture: Picture, options: ClassifyOptions = {}): Promise<Classification> {
    checkOptions(options, ["topK", "signal"], "classify");
    const { topK = 5, signal } = options;
    checkWhole("topK", topK, 1);
    return this.#call(picture, signal, (thread, net, portable, call) =>
      thread.call("classify", { net, picture: portable, topK }, call),
    );
  }

  async features(
    picture: Picture,
    names: readonly string[],
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<Readonly<Record<string, SessionTensor>>> {
    checkOptions(options, ["signal"], "features");
    if (!Array.isArray(names) || !names.every((name) => typeof name === "string")) {
      throw new UserError({ expected: 'names of features, as ["stage2"]', received: typeof names });
    }
    return this.#call(picture, options.signal, (thread, net, portable, call) =>
      thread.call("features", { net, picture: portable, names: [...names] }, call),
    );
  }

  dispose(): Promise<void> {
    this.#disposal ??= this.#dispose();
    return this.#disposal;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #dispose(): Promise<void> {
    for (const call of this.#calls) call.abort(disposed());
    await this.#opening?.catch(() => {}); // told by who began it
    const thread = this.#thread;
    if (!thread) return;
    if (!thread.hasEnded && thread.users > 1) await thread.call("close", { net: this.#net }).catch(() => {}); // it has died: so has the net
    await thread.release();
  }

  async #call<T>(
    picture: Picture,
    signal: AbortSignal | undefined,
    begin: (
      thread: ClassifierThread,
      net: NetId,
      picture: PortablePicture,
      call: { readonly signal: AbortSignal; readonly move: readonly ArrayBuffer[] },
    ) => Promise<T>,
  ): Promise<T> {
    checkSignal(signal);
    if (this.#disposal) throw disposed();
    signal?.throwIfAborted();
    if (this.#calls.size >= this.#queue) throw new BusyError(this.#queue);
    const end = new AbortController();
    const abort = (): void => end.abort(signal!.reason);
    this.#calls.add(end);
    signal?.addEventListener("abort", abort);
    try {
      const portable = await readPicture(picture, { signal: end.signal, maxBytes: this.#options.maxBytes });
      await this.#ready();
      end.signal.throwIfAborted();
      const memory =
        portable.kind === "bytes" ? portable.bytes : portable.kind === "pixels" ? portable.data : undefined;
      const move = memory ? [memory.buffer] : [];
      return await begin(this.#thread!, this.#net, portable, { signal: end.signal, move });
    } finally {
      signal?.removeEventListener("abort", abort);
      this.#calls.delete(end);
    }
  }

  /** The net in a worker that lives. */
  #ready(): Promise<Opened> {
    if (this.#opening && !this.#thread!.hasEnded) return this.#opening;
    const { batch = 8, concurrency = 4 } = this.#options;
    const thread = takeThread(this.#options);
    this.#thread = thread;
    this.#net = thread.nextNet();
    this.#opening = this.#open(thread, { net: this.#net, source: this.#source, batch, concurrency });
    return this.#opening;
  }

  async #open(thread: ClassifierThread, args: Calls["open"]["args"]): Promise<Opened> {
    try {
      this.#opened = await thread.call("open", args);
      return this.#opened;
    } catch (error) {
      if (this.#thread === thread) this.#thread = this.#opening = undefined; // the next call tries again
      await thread.release();
      throw error;
    }
  }
}

function disposed(): UserError {
  return new UserError({
    expected: "a classifier in use",
    received: "one that was disposed of",
    remedy: "create another with createClassifier",
  });
}
