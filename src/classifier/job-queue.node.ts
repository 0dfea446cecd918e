import { packError } from "../core/packed-error.js";
import type { FromWorker, ToWorker } from "./messages.js";
import type { ClassifierNet } from "./net.node.js";
import { decodePortable } from "./picture.node.js";
import { likeliest } from "./prediction.js";

/** A call about one picture. */
export type Job = Extract<ToWorker, { readonly call: "classify" | "features" }>;

interface ReadyJob {
  readonly job: Job;
  /** [height][width][channels], 8 bits */
  readonly framed: Uint8Array;
  readonly preprocessMilliseconds: number;
}

export interface QueueOwner {
  answer(message: FromWorker, move?: readonly ArrayBuffer[]): void;
  /** A job has become ready. */
  wake(): void;
}

/** The calls of one net: waiting, being decoded, ready to run. What is decoded ahead is bounded, whatever waits. */
export class JobQueue {
  readonly #net: ClassifierNet;
  readonly #concurrency: number;
  readonly #owner: QueueOwner;
  readonly #waiting: Job[] = [];
  readonly #decoding = new Map<number, Job>();
  readonly #ready: ReadyJob[] = [];

  constructor(net: ClassifierNet, concurrency: number, owner: QueueOwner) {
    this.#net = net;
    this.#concurrency = concurrency;
    this.#owner = owner;
  }

  get isReady(): boolean {
    return this.#ready.length > 0;
  }

  add(job: Job): void {
    this.#waiting.push(job);
    this.#decode();
  }

  /** Forgets a call that has not begun; nobody waits for its answer. */
  drop(id: number): void {
    removeFirst(this.#waiting, (job) => job.id === id);
    removeFirst(this.#ready, ({ job }) => job.id === id);
    this.#decoding.delete(id);
    this.#decode();
  }

  /** Runs the calls at the head of what is ready: as many as go together. */
  runBatch(): void {
    const together = this.#ready.findIndex(({ job }) => job.call === "features");
    const most = Math.min(together < 0 ? this.#ready.length : together, this.#net.batch);
    const jobs = this.#ready.splice(0, most < 1 ? 1 : 2 ** Math.floor(Math.log2(most)));
    try {
      if (most < 1) this.#runFeatures(jobs[0]!);
      else this.#classify(jobs);
    } catch (error) {
      for (const { job } of jobs) this.#owner.answer({ id: job.id, error: packError(error) });
    }
    this.#decode();
  }

  dispose(): void {
    this.#waiting.length = 0;
    this.#ready.length = 0;
    this.#decoding.clear();
    this.#net.dispose();
  }

  #classify(jobs: readonly ReadyJob[]): void {
    const start = performance.now();
    const outputs = this.#net.run(jobs.map(({ framed }) => framed));
    const netMilliseconds = performance.now() - start;
    jobs.forEach(({ job, preprocessMilliseconds }, i) => {
      if (job.call !== "classify") return;
      const logits = outputs[i]!;
      const predictions = likeliest(logits, this.#net.info.classNames, job.args.topK);
      const result = { predictions, logits, preprocessMilliseconds, netMilliseconds };
      this.#owner.answer({ id: job.id, result }, [logits.buffer as ArrayBuffer]);
    });
  }

  #runFeatures({ job, framed }: ReadyJob): void {
    if (job.call !== "features") return;
    const result = this.#net.features(framed, job.args.names);
    this.#owner.answer({ id: job.id, result });
  }

  /** Begins to decode while there is room. */
  #decode(): void {
    const room = 2 * Math.max(this.#net.batch, this.#concurrency);
    while (this.#decoding.size < this.#concurrency && this.#decoding.size + this.#ready.length < room) {
      const job = this.#waiting.shift();
      if (!job) return;
      this.#decoding.set(job.id, job);
      void this.#prepare(job);
    }
  }

  async #prepare(job: Job): Promise<void> {
    try {
      const picture = await decodePortable(job.args.picture);
      if (!this.#decoding.has(job.id)) return; // given up meanwhile
      const start = performance.now();
      const framed = this.#net.frame(picture);
      this.#ready.push({ job, framed, preprocessMilliseconds: performance.now() - start });
      this.#owner.wake();
    } catch (error) {
      this.#owner.answer({ id: job.id, error: packError(error) });
    } finally {
      this.#decoding.delete(job.id);
      this.#decode();
    }
  }
}

function removeFirst<T>(list: T[], fits: (item: T) => boolean): void {
  const index = list.findIndex(fits);
  if (index >= 0) list.splice(index, 1);
}
