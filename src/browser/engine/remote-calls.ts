import { UserError } from "../../core/errors.js";
import { unpackError } from "../../core/packed-error.js";
import type { CallName, Calls, FromWorker, ToWorker } from "./messages.js";

export interface CallOptions<K extends CallName> {
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: (event: Calls[K]["event"]) => void;
  /** What of the arguments is moved to the worker instead of copied. */
  readonly move?: readonly Transferable[];
}

interface Waiting {
  resolve(result: never): void;
  reject(error: unknown): void;
  onEvent(event: never): void;
}

/** Calls of a worker, each with its answer. */
export class RemoteCalls {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #ended: Error | undefined;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.addEventListener("message", (event: MessageEvent<FromWorker>) => this.#receive(event.data));
    worker.addEventListener("error", (event) => {
      this.end(event.message ? new Error(`the engine's worker failed: ${event.message}`) : unreachable());
    });
    worker.addEventListener("messageerror", () => this.end(new Error("the engine's worker sent what cannot be read")));
  }

  /** Calls a function of the worker; the promise is marked with the call's id. */
  call<K extends CallName>(
    call: K,
    args: Calls[K]["args"],
    { signal, onEvent, move = [] }: CallOptions<K> = {},
  ): { readonly id: number; readonly result: Promise<Calls[K]["result"]> } {
    const id = ++this.#lastId;
    const result = new Promise<Calls[K]["result"]>((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      if (this.#ended) return reject(this.#ended);
      const abort = (): void => {
        this.#post({ id, abort: true });
        settle(() => reject(signal!.reason));
      };
      const settle = (act: () => void): void => {
        this.#waiting.delete(id);
        signal?.removeEventListener("abort", abort);
        act();
      };
      signal?.addEventListener("abort", abort);
      this.#waiting.set(id, {
        resolve: (value) => settle(() => resolve(value)),
        reject: (error) => settle(() => reject(error)),
        onEvent: (event) => onEvent?.(event),
      });
      try {
        this.#post({ id, call, args }, move);
      } catch (error) {
        settle(() => reject(uncloneable(error)));
      }
    });
    return { id, result };
  }

  /** Ends the worker at once; calls under way and later ones reject. */
  end(reason: Error): void {
    if (this.#ended) return;
    this.#ended = reason;
    this.#worker.terminate();
    for (const { reject } of [...this.#waiting.values()]) reject(reason);
  }

  #post(message: ToWorker, move: readonly Transferable[] = []): void {
    this.#worker.postMessage(message, [...move]);
  }

  #receive(message: FromWorker): void {
    const waiting = this.#waiting.get(message.id);
    if (!waiting) return; // aborted meanwhile
    if ("event" in message) waiting.onEvent(message.event as never);
    else if ("error" in message) waiting.reject(unpackError(message.error));
    else waiting.resolve(message.result as never);
  }
}

/** Browsers do not tell why a worker's script did not come, or refuse one of another site at once. */
export function unreachable(): UserError {
  return new UserError({
    expected: "the engine's worker, from the page's own site",
    received: "a script that cannot be loaded",
    remedy:
      "serve the package's worker files beside its script, and allow them (worker-src 'self'); from another site, as a CDN, createLocalEngine runs without a worker",
  });
}

function uncloneable(cause: unknown): unknown {
  if (!(cause instanceof DOMException) || cause.name !== "DataCloneError") return cause;
  const parts = { expected: "plain data, which a worker can be given", received: cause.message };
  return new UserError(parts, { cause });
}
