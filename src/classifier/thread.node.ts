import { Worker } from "node:worker_threads";
import type { BackendOptions } from "../backend/options.js";
import { keepExternal } from "../backend/wasm/node-files.node.js";
import { UserError } from "../core/errors.js";
import { unpackError } from "../core/packed-error.js";
import type { CallName, Calls, FromWorker, NetId, ToWorker } from "./messages.js";

interface Waiting {
  resolve(result: never): void;
  reject(error: unknown): void;
}

/** Milliseconds that a worker has to end by itself when it is asked to. */
const patience = 5_000;

/** The workers of this process, by what their kernels were asked to be. */
const threads = new Map<string, ClassifierThread>();

/**
 * The worker for kernels of a kind, which all classifiers of the process share. It does not keep the process alive but for calls under
 * way. Whoever takes it gives it back by {@link ClassifierThread.release}.
 */
export function takeThread(options: BackendOptions): ClassifierThread {
  const { kernels = process.env["REPVGG_BACKEND"], threads: count, relaxed = "off" } = options;
  const key = JSON.stringify([kernels, count, relaxed]);
  const thread = threads.get(key) ?? new ClassifierThread(options, () => threads.delete(key));
  threads.set(key, thread);
  thread.users++;
  return thread;
}

export class ClassifierThread {
  /** Classifiers that hold it. */
  users = 0;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #forget: () => void;
  #lastId = 0;
  #answers = 0;
  #ended: Error | undefined;

  constructor({ threads: count, kernels, relaxed }: BackendOptions, forget: () => void) {
    this.#forget = forget;
    const workerData: BackendOptions = {
      ...(count !== undefined && { threads: count }),
      ...(kernels !== undefined && { kernels }),
      ...(relaxed !== undefined && { relaxed }),
    };
    this.#worker = new Worker(new URL("./worker-main.node.js", import.meta.url), {
      workerData,
      execArgv: [], // flags such as --input-type fit the main program only
    });
    this.#worker.on("message", (message: FromWorker) => this.#receive(message));
    this.#worker.on("error", (error) => this.#end(this.#answers > 0 ? ended(String(error)) : unreachable(error)));
    this.#worker.on("exit", (code) => this.#end(ended(`it ended with code ${code}`)));
    this.#worker.unref();
  }

  /** Whether the worker has ended: another has to be taken. */
  get hasEnded(): boolean {
    return this.#ended !== undefined;
  }

  nextNet(): NetId {
    return ++this.#lastId;
  }

  /**
   * @param move memory that goes to the worker instead of a copy
   * @throws what the worker throws; an Error that says so when it dies; the signal's reason, at once.
   */
  call<K extends CallName>(
    call: K,
    args: Calls[K]["args"],
    { signal, move = [] }: { readonly signal?: AbortSignal | undefined; readonly move?: readonly ArrayBuffer[] } = {},
  ): Promise<Calls[K]["result"]> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      if (this.#ended) return reject(this.#ended);
      const abort = (): void => {
        this.#post({ call: "abort", id });
        settle(() => reject(signal!.reason));
      };
      const settle = (act: () => void): void => {
        this.#waiting.delete(id);
        signal?.removeEventListener("abort", abort);
        if (this.#waiting.size === 0) this.#worker.unref();
        act();
      };
      signal?.addEventListener("abort", abort);
      this.#worker.ref();
      this.#waiting.set(id, {
        resolve: (result) => settle(() => resolve(result)),
        reject: (error) => settle(() => reject(error)),
      });
      try {
        this.#post({ id, call, args } as ToWorker, move);
      } catch (error) {
        settle(() => reject(notPlain(error)));
      }
    });
  }

  /** Gives it back; the last user's ends the worker, and waits for that. */
  async release(): Promise<void> {
    if (--this.users > 0 || this.#ended) return;
    const done = this.call("end", undefined);
    this.#forget();
    this.#ended = ended("its last classifier was disposed of");
    let impatience: NodeJS.Timeout | undefined;
    const tooLong = new Promise<void>((resolve) => {
      impatience = setTimeout(resolve, patience);
    });
    await Promise.race([done, tooLong]).catch(() => {}); // it has died: so it has ended
    clearTimeout(impatience);
    await this.#worker.terminate();
  }

  #post(message: ToWorker, move: readonly ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, [...move]);
  }

  #receive(message: FromWorker): void {
    this.#answers++;
    const waiting = this.#waiting.get(message.id);
    if (!waiting) return; // given up meanwhile
    if ("error" in message) waiting.reject(unpackError(message.error));
    else waiting.resolve(message.result as never);
  }

  #end(reason: Error): void {
    if (!this.#ended) this.#forget();
    this.#ended ??= reason;
    for (const { reject } of [...this.#waiting.values()]) reject(reason);
  }
}

function ended(why: string): Error {
  return new Error(`the classifiers' worker has ended, and this call with it (${why}); the next call starts another`);
}

/** @param error why the worker did not start: most often that a bundler left its file behind. */
function unreachable(error: unknown): Error {
  const { code, message } = error as NodeJS.ErrnoException;
  if (!/MODULE_NOT_FOUND|ENOENT/.test(`${code} ${message}`)) return ended(message);
  return new UserError(
    {
      expected: "the classifiers' worker beside the package's other files",
      received: message,
      remedy: keepExternal,
    },
    { cause: error },
  );
}

function notPlain(cause: unknown): unknown {
  if (!(cause instanceof DOMException) || cause.name !== "DataCloneError") return cause;
  return new UserError(
    { expected: "a net of plain data, which a worker can be given", received: cause.message },
    { cause },
  );
}
