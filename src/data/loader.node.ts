import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { unpackError } from "../core/packed-error.js";
import { BatchMaker, type BatchOptions, type MadeBatch } from "./batches.js";
import type { Batch, Dataset } from "./dataset.js";
import { createInThreadLoader, type Loader, type LoaderOptions, SkipList } from "./loader.js";
import type { LoaderReply, LoaderRequest, LoaderWorkerData } from "./loader-messages.js";
import { MemoryDataset } from "./memory-dataset.js";

export interface ThreadedLoaderOptions extends LoaderOptions {
  /** Threads that make batches; 0: the caller's. Default: 1 for pictures in memory, else up to 4, by the machine's cores. */
  readonly workers?: number;
  /** Batches that are made ahead, beyond the end of a shuffled epoch too. Default: two for each worker, at least 4. */
  readonly prefetch?: number;
}

/**
 * A loader whose batches are made ahead in worker threads and handed over without a copy. The batches are the same
 * whatever the number of workers. Unused workers do not keep the process alive.
 * @throws UserError for options that fit no batch
 */
export function createLoader(dataset: Dataset, options: ThreadedLoaderOptions): Loader {
  const inMemory = dataset instanceof MemoryDataset;
  const { workers = inMemory ? 1 : Math.min(4, availableParallelism()) } = options;
  if (workers === 0 || (!inMemory && dataset.source === undefined)) return createInThreadLoader(dataset, options);
  return new ThreadedLoader(dataset, options, workers);
}

interface Pending {
  readonly epoch: number;
  readonly step: number;
  readonly made: Promise<MadeBatch>;
  readonly resolve: (made: MadeBatch) => void;
  readonly reject: (error: Error) => void;
}

class ThreadedLoader implements Loader {
  readonly stepsPerEpoch: number;
  readonly #shuffle: boolean;
  readonly #skips: SkipList;
  readonly #workers: Worker[];
  readonly #prefetch: number;
  /** Batches that were asked for, by request number, in the order in which they will be taken. */
  readonly #pending = new Map<number, Pending>();
  #requests = 0;
  #failure: Error | undefined;

  constructor(dataset: Dataset, options: ThreadedLoaderOptions, workers: number) {
    const { workers: _workers, prefetch = Math.max(4, 2 * workers), onSkip, ...batchOptions } = options;
    const maker = new BatchMaker(dataset, batchOptions);
    this.stepsPerEpoch = maker.stepsPerEpoch;
    this.#shuffle = maker.shuffle;
    this.#skips = new SkipList(dataset.skipped, onSkip);
    this.#prefetch = Math.max(1, prefetch);
    this.#workers = Array.from({ length: workers }, () => this.#start(dataset, batchOptions));
  }

  get skipped(): Loader["skipped"] {
    return this.#skips.files;
  }

  async *epoch(epoch: number, fromStep = 0): AsyncGenerator<Batch> {
    for (let step = fromStep; step < this.stepsPerEpoch; step++) {
      const { batch, skipped } = await this.#take(epoch, step);
      this.#skips.add(skipped);
      if (batch.size > 0) yield batch;
    }
  }

  async dispose(): Promise<void> {
    this.#fail(new Error("the loader is disposed"));
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  async #take(epoch: number, step: number): Promise<MadeBatch> {
    if (this.#failure) throw this.#failure;
    const [first] = this.#pending.values();
    if (first && (first.epoch !== epoch || first.step !== step)) this.#cancel();
    this.#ask(epoch, step);
    const [[id, wanted]] = this.#pending as unknown as [[number, Pending]];
    for (const worker of this.#workers) worker.ref();
    try {
      return await wanted.made;
    } finally {
      this.#pending.delete(id);
      for (const worker of this.#workers) worker.unref();
    }
  }

  /** Asks for all batches that should be under way when (epoch, step) is wanted next. */
  #ask(epoch: number, step: number): void {
    const last = [...this.#pending.values()].at(-1);
    let next = last ? { epoch: last.epoch, step: last.step + 1 } : { epoch, step };
    while (this.#pending.size < this.#prefetch) {
      if (next.step >= this.stepsPerEpoch) {
        if (!this.#shuffle) return;
        next = { epoch: next.epoch + 1, step: 0 };
      }
      const id = this.#requests++;
      let resolve!: Pending["resolve"];
      let reject!: Pending["reject"];
      const made = new Promise<MadeBatch>((yes, no) => {
        [resolve, reject] = [yes, no];
      });
      made.catch(() => undefined); // whoever takes the batch is told; nobody may ever do
      this.#pending.set(id, { ...next, made, resolve, reject });
      this.#send(this.#workers[id % this.#workers.length]!, { kind: "make", id, ...next });
      next = { epoch: next.epoch, step: next.step + 1 };
    }
  }

  #cancel(): void {
    const left = new Error("another epoch of the loader was begun: one at a time");
    for (const pending of this.#pending.values()) pending.reject(left);
    this.#pending.clear();
    for (const worker of this.#workers) this.#send(worker, { kind: "cancel" });
  }

  #send(worker: Worker, request: LoaderRequest): void {
    worker.postMessage(request);
  }

  #start(dataset: Dataset, options: BatchOptions): Worker {
    const workerData: LoaderWorkerData = {
      dataset: dataset instanceof MemoryDataset ? { contents: dataset.contents } : { source: dataset.source! },
      options,
    };
    const worker = new Worker(new URL("./loader-worker.node.js", import.meta.url), {
      workerData,
      execArgv: [], // flags such as --input-type fit the main program only
    });
    worker.unref();
    worker.on("message", (reply: LoaderReply) => {
      const pending = this.#pending.get(reply.id);
      if ("error" in reply) pending?.reject(unpackError(reply.error));
      else pending?.resolve(reply.made);
    });
    worker.on("error", (error) => this.#fail(error as Error));
    worker.on("exit", (code) => this.#fail(new Error(`a loader's worker ended with code ${code}`)));
    return worker;
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const pending of this.#pending.values()) pending.reject(this.#failure);
  }
}
