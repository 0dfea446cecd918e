import { packError } from "../core/packed-error.js";

/** What a process says that failed at its work. */
export interface FailedReply {
  readonly type: "failed";
  readonly error: ReturnType<typeof packError>;
}

/** What any process of a study is told at some time: to stop after the step under way. */
interface StopRequest {
  readonly type: "stop";
}

/**
 * The other end of `Child`, in its process: each request is worked on and answered, by its failure where it fails. The process ends with its
 * channel, wherever it is.
 * @param work told of each request but "stop", which aborts `signal`
 * @returns how to say something that is no answer
 */
export function answerRequests<Request extends { readonly type: string }, Reply extends object>(
  work: (request: Exclude<Request, StopRequest>, signal: AbortSignal) => Promise<Reply>,
): { readonly tell: (reply: Reply | FailedReply) => void } {
  const stop = new AbortController();
  const tell = (reply: Reply | FailedReply): void => {
    process.send!(reply);
  };
  const answer = async (request: Exclude<Request, StopRequest>): Promise<void> => {
    try {
      tell(await work(request, stop.signal));
    } catch (error) {
      tell({ type: "failed", error: packError(error) });
    }
  };
  process.on("message", (request: Request) => {
    if (request.type === "stop") stop.abort();
    else void answer(request as Exclude<Request, StopRequest>);
  });
  process.on("disconnect", () => process.exit(0));
  // Ctrl-C reaches every process of a terminal: the leading one decides.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => undefined);
  return { tell };
}

/** Calls `report` at most once in so many milliseconds. */
export function atMostEvery<Arguments extends unknown[]>(
  milliseconds: number,
  report: (...args: Arguments) => void,
): (...args: Arguments) => void {
  let reported = Number.NEGATIVE_INFINITY;
  return (...args) => {
    const now = performance.now();
    if (now - reported < milliseconds) return;
    reported = now;
    report(...args);
  };
}
