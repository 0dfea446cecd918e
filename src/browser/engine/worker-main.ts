import { packError } from "../../core/packed-error.js";
import type { EngineNet, EnginePictures, Training } from "./contract.js";
import { LocalEngine } from "./local-engine.js";
import { notUnderWay } from "./local-training.js";
import type { CallName, Calls, FromWorker, Handle, NetReply, ToWorker } from "./messages.js";

/* The engine's worker: a local engine, called by messages. */

interface Context<K extends CallName> {
  readonly id: number;
  readonly signal: AbortSignal;
  emit(event: Calls[K]["event"]): void;
}

type Handlers = {
  [K in CallName]: (context: Context<K>, ...args: Calls[K]["args"]) => Promise<Calls[K]["result"]>;
};

let engine: LocalEngine;
const held = new Map<Handle, EngineNet | EnginePictures>();
const trainings = new Map<number, Training>();
const underWay = new Map<number, AbortController>();
let lastHandle = 0;

function hold(thing: EngineNet | EnginePictures): Handle {
  held.set(++lastHandle, thing);
  return lastHandle;
}

function reply(net: EngineNet): NetReply {
  return { net: hold(net), info: net.info };
}

function net(handle: Handle): EngineNet {
  return held.get(handle) as EngineNet;
}

const handlers: Handlers = {
  async start(_, options) {
    engine = await LocalEngine.start(options);
    return engine.kernels;
  },
  use: (_, options) => engine.use(options),
  load: async ({ signal, emit }, source, options) =>
    reply(await engine.load(source, { ...options, signal, onProgress: emit })),
  create: async (_, nameOrSpec, options) => reply(await engine.create(nameOrSpec, options)),
  classify: ({ signal }, handle, picture, topK) =>
    net(handle).classify(picture, { signal, ...(topK !== undefined && { topK }) }),
  features: (_, handle, picture, names) => net(handle).features(picture, names),
  async fold(_, handle) {
    const { net: folded, report } = await net(handle).fold();
    return { ...reply(folded), report };
  },
  verify: ({ signal }, reference, candidate, options) => net(reference).verify(net(candidate), { ...options, signal }),
  blockAlgebra: (_, handle, path, options) => net(handle).blockAlgebra(path, options),
  plan: (_, handle, options) => net(handle).plan(options),
  save: (_, handle, format, options) => net(handle).save(format, options),
  model: (_, handle) => net(handle).model(),
  async openPictures({ signal, emit }, files, options) {
    const pictures = await engine.openPictures(files, { ...options, signal, onProgress: emit });
    return { pictures: hold(pictures), info: pictures.info };
  },
  readPictures: (_, handle, part, indices) => (held.get(handle) as EnginePictures).read(part, indices),
  async train({ id, emit }, handle, pictures, options) {
    const training = engine.train(net(handle), held.get(pictures) as EnginePictures, {
      ...options,
      onStep: (step) => emit({ step }),
      onEpoch: (epoch) => emit({ epoch }),
      onWatched: (watched) => emit({ watched }),
    });
    trainings.set(id, training);
    try {
      const { net: trained, ...facts } = await training.finished;
      return { ...reply(trained), ...facts };
    } finally {
      trainings.delete(id);
    }
  },
  async steer(_, training, command) {
    trainings.get(training)?.[command]();
    return undefined;
  },
  async snapshot(_, id) {
    const training = trainings.get(id);
    if (!training) throw notUnderWay();
    return reply(await training.snapshot());
  },
  async release(_, handle) {
    held.get(handle)?.dispose();
    held.delete(handle);
    return undefined;
  },
};

function send(message: FromWorker): void {
  postMessage(message);
}

addEventListener("message", async ({ data }: MessageEvent<ToWorker>) => {
  const { id } = data;
  if ("abort" in data) return void underWay.get(id)?.abort();
  const stop = new AbortController();
  underWay.set(id, stop);
  const context = { id, signal: stop.signal, emit: (event: unknown) => send({ id, event }) };
  try {
    const handler = handlers[data.call] as (
      context: Context<CallName>,
      ...args: readonly unknown[]
    ) => Promise<unknown>;
    send({ id, result: await handler(context, ...data.args) });
  } catch (error) {
    send({ id, error: packError(error) });
  } finally {
    underWay.delete(id);
  }
});
