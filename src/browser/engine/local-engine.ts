import type { Backend } from "../../backend/backend.js";
import { createBackend } from "../../backend/select.browser.js";
import { relaxedObstacle } from "../../backend/wasm/relaxed.js";
import { UserError } from "../../core/errors.js";
import type { MemoryDataset } from "../../data/memory-dataset.js";
import { netOf } from "../../exchange/net.js";
import type { ArchitectureSpec } from "../../nn/build-architecture.js";
import type { Model } from "../../nn/model.js";
import { type RepvggOptions, repvgg } from "../../nn/repvgg.js";
import type { FetchOptions } from "../fetch-bytes.js";
import { readIdxFiles } from "../idx-file.js";
import { type FileSource, loadNet } from "../load.js";
import type {
  Engine,
  EngineLoadOptions,
  EngineNet,
  EnginePictures,
  KernelOptions,
  KernelsInUse,
  PictureFiles,
  Training,
  TrainingOptions,
} from "./contract.js";
import { LocalNet, local, type NetOwner } from "./local-net.js";
import { LocalTraining } from "./local-training.js";

/** An engine on the calling thread. Kernels that were in use stay ready, so that changing between them costs nothing. */
export class LocalEngine implements Engine, NetOwner {
  readonly #backends = new Map<string, Backend>();
  readonly #nets = new Set<LocalNet>();
  readonly #trainings = new Set<Training>();
  #backend: Backend | undefined;

  /** @throws UserError for kernels that are not to be had. */
  static async start(options: KernelOptions): Promise<LocalEngine> {
    const engine = new LocalEngine();
    await engine.use(options);
    return engine;
  }

  get backend(): Backend {
    if (this.#backend) return this.#backend;
    throw new UserError({ expected: "an engine in use", received: "one that was disposed" });
  }

  get kernels(): KernelsInUse {
    const { name, threads, arithmetic } = this.backend;
    return {
      name,
      threads,
      relaxed: arithmetic === "wasm relaxed",
      relaxedAvailable: relaxedObstacle() === undefined,
      notes: globalThis.crossOriginIsolated
        ? []
        : [
            "one thread: this page is not cross-origin isolated (the headers Cross-Origin-Opener-Policy and Cross-Origin-Embedder-Policy make it so)",
          ],
    };
  }

  async use({ threads, relaxed = "off" }: KernelOptions): Promise<KernelsInUse> {
    const key = `${threads} ${relaxed}`;
    const backend =
      this.#backends.get(key) ?? (await createBackend({ relaxed, ...(threads !== undefined && { threads }) }));
    this.#backends.set(key, backend);
    this.#backend = backend;
    return this.kernels;
  }

  async load(source: FileSource | Model, options: EngineLoadOptions = {}): Promise<EngineNet> {
    return this.hold(new LocalNet(this, isModel(source) ? netOf(source) : await loadNet(source, options)));
  }

  async create(nameOrSpec: string | ArchitectureSpec, options: RepvggOptions = {}): Promise<EngineNet> {
    return this.hold(new LocalNet(this, netOf(repvgg(nameOrSpec, options))));
  }

  async openPictures(files: PictureFiles, options: FetchOptions = {}): Promise<EnginePictures> {
    const { name, classNames } = files;
    const [train, test] = await Promise.all([
      readIdxFiles(files.train, classNames, `${name}/train`, options),
      readIdxFiles(files.test, classNames, `${name}/test`, options),
    ]);
    return new LocalPictures(name, train, test);
  }

  train(net: EngineNet, pictures: EnginePictures, options: TrainingOptions = {}): Training {
    const training = new LocalTraining(this, local(net).value, (pictures as LocalPictures).sets, options);
    this.#trainings.add(training);
    const forget = (): void => void this.#trainings.delete(training);
    training.finished.then(forget, forget);
    return training;
  }

  hold(net: LocalNet): LocalNet {
    this.#nets.add(net);
    return net;
  }

  forget(net: LocalNet): void {
    this.#nets.delete(net);
  }

  dispose(): void {
    for (const training of this.#trainings) training.stop();
    for (const net of this.#nets) net.dispose();
    const backends = new Set(this.#backends.values());
    this.#backends.clear();
    this.#backend = undefined;
    // Trainings end after the step under way: their kernels may go only then.
    void Promise.allSettled([...this.#trainings].map(({ finished }) => finished)).then(() => {
      for (const backend of backends) backend.dispose();
    });
  }
}

function isModel(source: FileSource | Model): source is Model {
  return typeof source === "object" && "architecture" in source;
}

class LocalPictures implements EnginePictures {
  readonly info: EnginePictures["info"];
  readonly sets: { readonly train: MemoryDataset; readonly test: MemoryDataset };

  constructor(name: string, train: MemoryDataset, test: MemoryDataset) {
    const { classNames, channels } = train;
    this.sets = { train, test };
    this.info = { name, classNames, channels, train: train.length, test: test.length };
  }

  async read(part: "train" | "test", indices: readonly number[]): ReturnType<EnginePictures["read"]> {
    const set = this.sets[part];
    return indices.map((index) => {
      if (!(Number.isInteger(index) && index >= 0 && index < set.length)) {
        throw new UserError({ expected: `a picture from 0 to ${set.length - 1} of ${set.name}`, received: `${index}` });
      }
      const { data, ...size } = set.read(index);
      return { picture: { ...size, data: data.slice() }, label: set.label(index) };
    });
  }

  dispose(): void {}
}
