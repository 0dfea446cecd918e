import type { Backend } from "../backend/backend.js";
import { UserError } from "../core/errors.js";
import { rngFor } from "../core/rng.js";
import type { Image } from "../data/dataset.js";
import { evalTransform } from "../data/evaluation-transform.js";
import { createSession, type Session, type SessionOutputs, type SessionTensor } from "../engine/session.js";
import { withFeatures } from "../exchange/backbone.js";
import { foldNet } from "../exchange/fold-net.js";
import { openNet } from "../exchange/load-net.node.js";
import { type Net, netOf } from "../exchange/net.js";
import { netOfBytes } from "../exchange/net-bytes.js";
import { pictureShape } from "../exchange/picture-input.js";
import type { ClassifierInfo } from "./contract.js";
import type { PortableNet } from "./messages.js";
import {
  classifierInput,
  classifierLogits,
  classifierOf,
  classifierShape,
  type NetClassifier,
} from "./net-classifier.js";

/** Sessions for features that are kept ready. */
const keptFeatures = 2;

/** A net in the worker: its session, ready for batches of 1, 2, 4, … pictures whose numbers do not depend on the batch. */
export class ClassifierNet {
  readonly info: ClassifierInfo;
  /** Pictures that may go through it together. */
  readonly batch: number;
  readonly #backend: Backend;
  readonly #given: Net;
  readonly #classifier: NetClassifier;
  readonly #session: Session;
  readonly #close: () => void;
  /** Of the largest batch so far. */
  #inputs = new Float32Array();
  /** By their names, the last used last. */
  readonly #features = new Map<string, Session>();

  /** @throws UserError for a file that holds no net, one that does not read pictures or gives no classes. */
  static async open(backend: Backend, source: PortableNet, batch: number): Promise<ClassifierNet> {
    const { net, close } = await opened(source);
    try {
      return new ClassifierNet(backend, net, batch, close);
    } catch (error) {
      close();
      throw error;
    }
  }

  private constructor(backend: Backend, net: Net, batch: number, close: () => void) {
    const plain = plainForm(net);
    const classifier = classifierOf(plain.net);
    this.#backend = backend;
    this.#given = net;
    this.#classifier = classifier;
    this.#close = close;
    const shape = classifierShape(classifier, 1);
    const maxPlans = Math.log2(batch) + 1;
    this.#session = createSession(classifier.graph, { backend, shape, batchInvariant: true, maxPlans });
    try {
      this.#logits(1, this.#blank(1)); // the first call does not wait for memory then
      const together = batch === 1 || this.#batches(plain.net);
      this.batch = together ? batch : 1;
      this.info = {
        name: net.model?.architecture.name ?? "graph",
        form: net.source.form,
        classNames: classifier.classNames,
        preprocessing: classifier.preprocessing,
        notes: [
          ...new Set([...net.source.notes, ...plain.notes, ...classifier.notes]),
          ...(together ? [] : ["the net takes one picture at a time"]),
        ],
      };
    } catch (error) {
      this.#session.dispose();
      throw error;
    }
  }

  /** A decoded picture as the net sees it: [height][width][channels], 8 bits. */
  frame(picture: Image): Uint8Array {
    return evalTransform(picture, this.#classifier.preprocessing);
  }

  /** @param pictures framed; as many as a power of 2 up to `batch`. @returns the logits of each. */
  run(pictures: readonly Uint8Array[]): Float32Array[] {
    const data = this.#logits(pictures.length, this.#input(pictures).data);
    const classes = data.length / pictures.length;
    return pictures.map((_, i) => data.slice(i * classes, (i + 1) * classes));
  }

  /** @throws UserError for a value that the net has not. */
  features(picture: Uint8Array, names: readonly string[]): SessionOutputs {
    const input = this.#input([picture]);
    const key = JSON.stringify(names);
    let session = this.#features.get(key);
    if (!session) {
      const graph = withFeatures(this.#given.graph, names, { head: false });
      session = createSession(graph, { backend: this.#backend, shape: input.shape });
    }
    this.#features.delete(key);
    this.#features.set(key, session);
    const [oldest] = this.#features;
    if (this.#features.size > keptFeatures) {
      this.#features.delete(oldest![0]);
      oldest![1].dispose();
    }
    return session.run(input);
  }

  dispose(): void {
    for (const session of [this.#session, ...this.#features.values()]) session.dispose();
    this.#features.clear();
    this.#close();
  }

  /** Framed pictures, normalized one after another, in memory that is used anew by the next. */
  #input(pictures: readonly Uint8Array[]): SessionTensor {
    const [height, width] = this.#classifier.preprocessing.size;
    const { channels } = this.#classifier.preprocessing;
    const images = pictures.length === 1 ? pictures[0]! : new Uint8Array(pictures.length * pictures[0]!.length);
    if (pictures.length > 1) pictures.forEach((picture, i) => void images.set(picture, i * picture.length));
    if (this.#inputs.length < images.length) this.#inputs = new Float32Array(images.length);
    const batch = { size: pictures.length, height, width, channels, images };
    return classifierInput({ ...this.#classifier, batch: undefined }, batch, this.#inputs);
  }

  /** @param pictures inputs one after another. @returns [pictures][classes]; what a fixed batch has beyond them is zeros and left out */
  #logits(pictures: number, data: Float32Array): Float32Array {
    const { input, batch = 1, preprocessing } = this.#classifier;
    // A stated batch of 1 may be that of the picture it was exported with.
    const shape = pictureShape(input, batch > 1 ? batch : pictures, preprocessing.size);
    const length = shape.reduce((a, b) => a * b);
    const whole = length === data.length ? data : new Float32Array(length);
    if (whole !== data) whole.set(data);
    const output = this.#session.run({ shape, data: whole })[this.#classifier.outputName]!;
    return classifierLogits(this.#classifier, output, pictures);
  }

  #blank(pictures: number): Float32Array {
    const { channels, size } = this.#classifier.preprocessing;
    return new Float32Array(pictures * channels * size[0] * size[1]);
  }

  /** Whether pictures do not touch each other in a batch. Of our own nets it is known; graphs of others may mix them or be made for one. */
  #batches({ model }: Net): boolean {
    if (model) return true;
    if ((this.#classifier.batch ?? 1) > 1) return false;
    const inputs = this.#blank(2);
    const rng = rngFor(0, "classifier", "batches");
    for (let i = 0; i < inputs.length; i++)
      inputs[i] = this.#classifier.input.bytes ? Math.floor(256 * rng.next()) : 2 * rng.next() - 1;
    const half = inputs.length / 2;
    try {
      const both = this.#logits(2, inputs);
      const alone = [0, 1].map((i) => this.#logits(1, inputs.slice(i * half, (i + 1) * half)).slice());
      const expected = [...alone[0]!, ...alone[1]!];
      return both.length === expected.length && expected.every((value, i) => Object.is(value, both[i]));
    } catch (error) {
      if (error instanceof UserError) return false;
      throw error;
    }
  }
}

async function opened(source: PortableNet): Promise<{ readonly net: Net; close(): void }> {
  const close = (): void => {};
  switch (source.kind) {
    case "file":
      return openNet(source.path);
    case "bytes":
      return { net: await netOfBytes(source.bytes, source.name), close };
    case "model": {
      const net = netOf(source.model);
      return { net: { ...net, source: { ...net.source, notes: source.notes } }, close };
    }
    case "net":
      return { net: source.net, close };
  }
}

/** A net in training form gives the same answers in plain form, sooner. */
function plainForm(net: Net): { readonly net: Net; readonly notes: readonly string[] } {
  if (net.source.form !== "train") return { net, notes: [] };
  try {
    return { net: foldNet(net).net, notes: ["folded: it runs in its plain form"] };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { net, notes: [`runs in training form: ${error.message}`] };
  }
}
