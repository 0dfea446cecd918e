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

/**
 * Milliseconds that pictures wait for others that are being decoded, to go through the net together: about what a batch takes in it. A batch costs
 * less than its pictures one by one, and decoding beside the net costs both more, since the net's threads then wait for each other.
 */
const patience = 20;

/** The calls of one net: waiting, being decoded, ready to run. What is decoded ahead is bounded, whatever waits. */
export class JobQueue {
  readonly #net: ClassifierNet;
  readonly #concurrency: number;
  readonly #owner: QueueOwner;
  readonly #waiting: Job[] = [];
  readonly #decoding = new Map<number, Job>();
  readonly #ready: ReadyJob[] = [];
  /** Running while pictures that are ready wait for others. */
  #waits: NodeJS.Timeout | undefined;
  #hasWaited = false;

  constructor(net: ClassifierNet, concurrency: number, owner: QueueOwner) {
    this.#net = net;
    this.#concurrency = concurrency;
    this.#owner = owner;
  }

  /** Whether a batch should run now: nothing more is coming, it is full, or it has waited. */
  get isReady(): boolean {
    if (this.#ready.length === 0) return false;
    return this.#decoding.size === 0 || this.#ready.length >= this.#net.batch || this.#hasWaited;
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
    this.#offer();
  }

  /** Runs the calls at the head of what is ready: as many as go together. */
  runBatch(): void {
    this.#stopWaiting();
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
    this.#offer();
  }

  dispose(): void {
    this.#waiting.length = 0;
    this.#ready.length = 0;
    this.#decoding.clear();
    this.#stopWaiting();
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

  /** Runs what is ready, or lets it wait a little. */
  #offer(): void {
    if (this.isReady) this.#owner.wake();
    else if (this.#ready.length > 0) this.#waitForOthers();
  }

  #waitForOthers(): void {
    this.#waits ??= setTimeout(() => {
      this.#hasWaited = true;
      if (this.isReady) this.#owner.wake();
    }, patience);
  }

  #stopWaiting(): void {
    clearTimeout(this.#waits);
    this.#waits = undefined;
    this.#hasWaited = false;
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
    } catch (error) {
      this.#owner.answer({ id: job.id, error: packError(error) });
    } finally {
      this.#decoding.delete(job.id);
      this.#decode();
      this.#offer();
    }
  }
}

function removeFirst<T>(list: T[], fits: (item: T) => boolean): void {
  const index = list.findIndex(fits);
  if (index >= 0) list.splice(index, 1);
}
