import type { Backend } from "../backend/backend.js";
import { UserError } from "../core/errors.js";
import type { Preprocessing } from "../core/preprocessing.js";
import { rngFor } from "../core/rng.js";
import type { Image } from "../data/dataset.js";
import { createSession, type Session, type SessionOutputs, type SessionTensor } from "../engine/session.js";
import { withFeatures } from "../exchange/backbone.js";
import { foldNet } from "../exchange/fold-net.js";
import { openNet } from "../exchange/load-net.node.js";
import { modelFacts } from "../exchange/model-facts.js";
import { type Net, netOf } from "../exchange/net.js";
import { netOfBytes } from "../exchange/net-bytes.js";
import { inputShapes, preprocessingOf } from "../exchange/net-inputs.js";
import type { ClassifierInfo } from "./contract.js";
import type { PortableNet } from "./messages.js";
import { pictureInput } from "./prediction.js";

/** Sessions for features that are kept ready. */
const keptFeatures = 2;

/** A net in the worker: its session, ready for batches of 1, 2, 4, … pictures whose numbers do not depend on the batch. */
export class ClassifierNet {
  readonly info: ClassifierInfo;
  /** Pictures that may go through it together. */
  readonly batch: number;
  readonly #backend: Backend;
  readonly #given: Net;
  readonly #session: Session;
  readonly #close: () => void;
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
    const preprocessing = preprocessingOf(net);
    const plain = plainForm(net);
    const single = inputShapes(net, 1, preprocessing.size);
    this.#backend = backend;
    this.#given = net;
    this.#close = close;
    const maxPlans = Math.log2(batch) + 1;
    this.#session = createSession(plain.net.graph, { backend, shape: single, batchInvariant: true, maxPlans });
    try {
      const classes = this.#classes(preprocessing);
      const { classNames } = modelFacts(net) ?? { classNames: [] };
      const named = classNames.length === classes;
      const together = batch === 1 || this.#batches(plain.net, preprocessing);
      this.batch = together ? batch : 1;
      this.info = {
        name: net.model?.architecture.name ?? "graph",
        form: net.source.form,
        classNames: named ? classNames : Array.from({ length: classes }, (_, i) => String(i)),
        preprocessing,
        notes: [
          ...net.source.notes,
          ...plain.notes,
          ...(named ? [] : ["the net does not name its classes: they go by their numbers"]),
          ...(together ? [] : ["the net takes one picture at a time"]),
        ],
      };
    } catch (error) {
      this.#session.dispose();
      throw error;
    }
  }

  /** A decoded picture as the net's input [C, H, W]. */
  prepare(picture: Image): Float32Array {
    return pictureInput(picture, this.info.preprocessing).data;
  }

  /** @param inputs as many as a power of 2 up to `batch`. @returns the logits of each. */
  run(inputs: readonly Float32Array[]): Float32Array[] {
    const length = inputs[0]!.length;
    const all = inputs.length === 1 ? inputs[0]! : new Float32Array(inputs.length * length);
    if (inputs.length > 1) {
      inputs.forEach((input, i) => {
        all.set(input, i * length);
      });
    }
    const { data } = this.#output(inputs.length, all);
    const classes = data.length / inputs.length;
    return inputs.map((_, i) => data.slice(i * classes, (i + 1) * classes));
  }

  /** @throws UserError for a value that the net has not. */
  features(input: Float32Array, names: readonly string[]): SessionOutputs {
    const { channels, size } = this.info.preprocessing;
    const key = JSON.stringify(names);
    let session = this.#features.get(key);
    if (!session) {
      const graph = withFeatures(this.#given.graph, names, { head: false });
      session = createSession(graph, { backend: this.#backend, shape: [1, channels, ...size] });
    }
    this.#features.delete(key);
    this.#features.set(key, session);
    const [oldest] = this.#features;
    if (this.#features.size > keptFeatures) {
      this.#features.delete(oldest![0]);
      oldest![1].dispose();
    }
    return session.run({ shape: [1, channels, ...size], data: input });
  }

  dispose(): void {
    for (const session of [this.#session, ...this.#features.values()]) session.dispose();
    this.#features.clear();
    this.#close();
  }

  #output(batch: number, data: Float32Array, { channels, size } = this.info.preprocessing): SessionTensor {
    return this.#session.run({ shape: [batch, channels, ...size], data })[this.#session.outputNames[0]!]!;
  }

  /** Number of classes, found by running a picture: the first call does not wait for memory then. */
  #classes(preprocessing: Preprocessing): number {
    const { shape } = this.#output(1, blank(1, preprocessing), preprocessing);
    const [batch, classes, ...rest] = shape;
    if (batch === 1 && classes !== undefined && rest.every((size) => size === 1)) return classes;
    throw new UserError({
      expected: "a net whose first output is a number for each class [batch, classes]",
      received: `[${shape.join(", ")}]`,
      remedy: "run it with createSession",
    });
  }

  /** Whether pictures do not touch each other in a batch. Of our own nets it is known; graphs of others may mix them or be made for one. */
  #batches({ model }: Net, preprocessing: Preprocessing): boolean {
    if (model) return true;
    const inputs = blank(2, preprocessing);
    const rng = rngFor(0, "classifier", "batches");
    for (let i = 0; i < inputs.length; i++) inputs[i] = 2 * rng.next() - 1;
    const half = inputs.length / 2;
    try {
      const both = this.#output(2, inputs, preprocessing);
      const alone = [0, 1].map((i) => this.#output(1, inputs.slice(i * half, (i + 1) * half), preprocessing).data);
      const expected = [...alone[0]!, ...alone[1]!];
      return both.data.length === expected.length && expected.every((value, i) => Object.is(value, both.data[i]));
    } catch (error) {
      if (error instanceof UserError) return false;
      throw error;
    }
  }
}

function blank(batch: number, { channels, size: [height, width] }: Preprocessing): Float32Array {
  return new Float32Array(batch * channels * height * width);
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
