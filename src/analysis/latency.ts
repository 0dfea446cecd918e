import { type Quartiles, quartiles } from "../core/statistics.js";
import type { Session, SessionInput } from "../engine/session.js";

/** Times of one session in milliseconds a run. */
export type Latency = Quartiles;

export interface LatencyComparison {
  readonly repeats: number;
  readonly a: Latency;
  readonly b: Latency;
  /** Median of a / median of b: how many times faster b is. */
  readonly ratio: number;
}

export interface LatencyOptions {
  /** Timed runs of each session (default 20). */
  readonly repeats?: number;
  /** Runs of each before the first that counts (default 3). */
  readonly warmup?: number;
}

/** Times two sessions in turn, a b b a a b …, so that a machine that slows down slows both. */
export function compareLatency(
  a: Session,
  b: Session,
  input: SessionInput,
  { repeats = 20, warmup = 3 }: LatencyOptions = {},
): LatencyComparison {
  const runs = [timer(a, input), timer(b, input)] as const;
  const times: [number[], number[]] = [[], []];
  for (let repeat = -warmup; repeat < repeats; repeat++) {
    for (const which of repeat % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      const milliseconds = runs[which]();
      if (repeat >= 0) times[which].push(milliseconds);
    }
  }
  const [first, second] = [quartiles(times[0]), quartiles(times[1])];
  return { repeats, a: first, b: second, ratio: first.median / second.median };
}

/** Times one session. */
export function measureLatency(
  session: Session,
  input: SessionInput,
  { repeats = 20, warmup = 3 }: LatencyOptions = {},
): Latency {
  const run = timer(session, input);
  for (let i = 0; i < warmup; i++) run();
  return quartiles(Array.from({ length: repeats }, run));
}

/** One run into arrays that are made once: the allocator's time is not the net's. */
function timer(session: Session, input: SessionInput): () => number {
  const outputs = Object.fromEntries(Object.entries(session.run(input)).map(([name, { data }]) => [name, data]));
  return () => {
    const start = performance.now();
    session.runInto(input, outputs);
    return performance.now() - start;
  };
}
