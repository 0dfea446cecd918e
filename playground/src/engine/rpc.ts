/** Calls across a worker's border: a worker serves methods, the page calls them. */

// biome-ignore lint/suspicious/noExplicitAny: each method has its own parameters; Client makes them exact again.
export type Methods = Record<string, (parameters: any) => unknown>;

interface Request {
  readonly id: number;
  readonly method: string;
  readonly parameters: unknown;
}

type Reply = { readonly id: number; readonly result: unknown } | { readonly id: number; readonly error: string };

/** Serves methods in a worker. */
export function serve(methods: Methods): void {
  addEventListener("message", async ({ data: { id, method, parameters } }: MessageEvent<Request>) => {
    const reply = (message: Reply): void => self.postMessage(message);
    try {
      reply({ id, result: await methods[method]!(parameters) });
    } catch (error) {
      reply({ id, error: error instanceof Error ? error.message : String(error) });
    }
  });
}

export interface Client<M extends Methods> {
  call<Name extends keyof M & string>(
    method: Name,
    parameters: Parameters<M[Name]>[0],
  ): Promise<Awaited<ReturnType<M[Name]>>>;
  /** Ends the worker; calls that are under way fail. */
  close(): void;
}

/** The page's end. */
export function connect<M extends Methods>(worker: Worker): Client<M> {
  interface Waiting {
    readonly resolve: (value: never) => void;
    readonly reject: (error: Error) => void;
  }
  const waiting = new Map<number, Waiting>();
  let next = 0;
  worker.addEventListener("message", ({ data }: MessageEvent<Reply>) => {
    const call = waiting.get(data.id);
    waiting.delete(data.id);
    if ("error" in data) call?.reject(new Error(data.error));
    else call?.resolve(data.result as never);
  });
  const fail = (reason: string): void => {
    for (const { reject } of waiting.values()) reject(new Error(reason));
    waiting.clear();
  };
  worker.addEventListener("error", (event) => fail(`the worker failed: ${event.message}`));
  return {
    call(method, parameters) {
      return new Promise((resolve, reject) => {
        const id = next++;
        waiting.set(id, { resolve, reject });
        worker.postMessage({ id, method, parameters } satisfies Request);
      });
    },
    close() {
      worker.terminate();
      fail("the worker was ended");
    },
  };
}
