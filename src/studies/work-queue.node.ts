/** A process that does one job after another. */
export interface Worker<Job, Result> {
  open(): Promise<void>;
  /** @returns undefined where it was stopped */
  work(job: Job): Promise<Result | undefined>;
  /** The job under way ends early. */
  stop(): void;
  end(): void;
}

/**
 * Several workers, each of which takes the next job when it is done with one. What one fails at stops them all.
 * @param queue is emptied
 */
export async function workOff<Job, Result>(
  workers: readonly Worker<Job, Result>[],
  queue: Job[],
  signal: AbortSignal | undefined,
  onDone: (result: Result, job: Job) => void,
): Promise<void> {
  let stopped = signal?.aborted ?? false;
  const stop = (): void => {
    stopped = true;
    for (const worker of workers) worker.stop();
  };
  const work = async (worker: Worker<Job, Result>): Promise<void> => {
    await worker.open();
    for (let next = queue.shift(); next && !stopped; next = queue.shift()) {
      const result = await worker.work(next);
      if (result === undefined) return;
      onDone(result, next);
    }
  };
  signal?.addEventListener("abort", stop);
  try {
    const ends = await Promise.allSettled(
      workers.map((worker) =>
        work(worker).catch((error: unknown) => {
          stop();
          throw error;
        }),
      ),
    );
    const failed = ends.find((end) => end.status === "rejected");
    if (failed) throw failed.reason;
  } finally {
    signal?.removeEventListener("abort", stop);
    for (const worker of workers) worker.end();
  }
}
