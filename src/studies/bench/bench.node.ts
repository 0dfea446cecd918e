import { mkdtemp, rm } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { append } from "../../core/append.js";
import { UserError } from "../../core/errors.js";
import type { Net } from "../../exchange/net.js";
import { inputShapes } from "../../exchange/net-inputs.js";
import { saveNet } from "../../exchange/save-net.node.js";
import { BenchChild } from "./child.node.js";
import { ownEngines, peerNames } from "./engines/registry.node.js";
import type { BenchJob } from "./job.js";
import type { Machine } from "./machine.js";
import { describeMachine } from "./machine.node.js";
import type { FromChild } from "./messages.js";
import {
  agreementLimit,
  type BenchResult,
  type EngineResult,
  type Noise,
  noiseOf,
  relativeError,
  summary,
} from "./results.js";

export interface BenchOptions {
  /** Nets by the names that the results have. */
  readonly nets: readonly { readonly name: string; readonly net: Net }[];
  /** The first is what the others are compared with. Default: ours on every kind of kernels, then every peer. */
  readonly engines?: readonly string[];
  /** Default 1. */
  readonly threads?: readonly number[];
  /** Images a run (default 1). */
  readonly batches?: readonly number[];
  /** Height and width where a net leaves them open. */
  readonly size?: readonly [number, number];
  /** Turns of each engine (default 5), in which the engines take turns, and seconds of each turn (default 0.5). */
  readonly rounds?: number;
  readonly seconds?: number;
  /** Called whenever a turn is done. */
  readonly onTurn?: (done: number, total: number) => void;
}

export interface BenchReport {
  readonly machine: Machine;
  readonly noise: Noise;
  readonly results: readonly BenchResult[];
}

const defaultRounds = 5;

/**
 * Times nets in this package and beside other engines where these are installed. Every engine has a process of its own, and they take
 * turns, so that a machine that slows down slows all. Outputs are compared first: an engine that gives other numbers gets no ratio.
 * @throws UserError where the first engine, with which all are compared, does not run.
 */
export async function bench(options: BenchOptions): Promise<BenchReport> {
  const { nets, threads = [1], batches = [1], rounds = defaultRounds } = options;
  const loadAverage = loadavg()[0]!;
  const cells = nets.flatMap((net) =>
    batches.flatMap((batch) => threads.map((count) => ({ ...net, batch, threads: count }))),
  );
  const folder = await mkdtemp(join(tmpdir(), "repvgg-bench-"));
  try {
    const files = new Map<Net, string>();
    for (const [i, { net }] of nets.entries()) {
      files.set(net, join(folder, `${i}.onnx`));
      await saveNet(net, files.get(net)!);
    }
    const results: BenchResult[] = [];
    for (const [index, cell] of cells.entries()) {
      const onRound = (done: number): void => options.onTurn?.(index * rounds + done, cells.length * rounds);
      results.push(await benchCell(cell, files.get(cell.net)!, options, onRound));
    }
    return { machine: describeMachine(), noise: noiseOf(results, loadAverage), results };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

type Cell = { readonly name: string; readonly net: Net; readonly batch: number; readonly threads: number };

async function benchCell(
  { name, net, batch, threads }: Cell,
  modelPath: string,
  { engines = [...ownEngines(), ...peerNames], size, rounds = defaultRounds, seconds = 0.5 }: BenchOptions,
  onRound: (done: number) => void,
): Promise<BenchResult> {
  const shapes = inputShapes(net, batch, size);
  const contestants: Contestant[] = [];
  try {
    for (const engine of engines) contestants.push(await enter({ engine, modelPath, shapes, threads }));
    const [first] = contestants;
    if (!first?.output) {
      throw new UserError({
        expected: `${engines[0] ?? "an engine"} to run ${name}, for the others to be compared with`,
        received: first?.reason ?? "none",
      });
    }
    for (let round = 0; round < rounds; round++) {
      const running = contestants.filter(({ output }) => output);
      const turn = round % Math.max(1, running.length); // nobody always comes after the same one
      for (const contestant of [...running.slice(turn), ...running.slice(0, turn)]) {
        take(contestant, await contestant.child.round(seconds * 1000));
      }
      onRound(round + 1);
    }
    return { model: name, threads, batch, shapes, engines: contestants.map((c) => resultOf(c, first, batch)) };
  } finally {
    for (const { child } of contestants) child.stop();
  }
}

/** An engine at work on a task. Without `output` it takes no part. */
interface Contestant {
  readonly engine: string;
  readonly child: BenchChild;
  readonly description?: string;
  readonly loadMilliseconds?: number;
  output: Float32Array | undefined;
  reason: string | undefined;
  readonly milliseconds: number[];
  peakBytes: number;
}

async function enter(job: BenchJob): Promise<Contestant> {
  const child = new BenchChild();
  const reply = await child.prepare(job);
  const contestant = { engine: job.engine, child, milliseconds: [], peakBytes: 0 };
  if (reply.type !== "ready") return { ...contestant, output: undefined, reason: reasonOf(reply) };
  const { description, loadMilliseconds, output } = reply;
  return { ...contestant, description, loadMilliseconds, output, reason: undefined };
}

function take(contestant: Contestant, reply: FromChild): void {
  if (reply.type === "times") {
    append(contestant.milliseconds, reply.milliseconds); // a tiny net has hundreds of thousands
    contestant.peakBytes = reply.peakBytes;
  } else {
    contestant.output = undefined;
    contestant.reason = reasonOf(reply);
  }
}

function reasonOf(reply: FromChild): string {
  return "reason" in reply ? reply.reason : `an answer of type ${reply.type}`;
}

function resultOf(contestant: Contestant, first: Contestant, batch: number): EngineResult {
  const { engine, description, loadMilliseconds, output, reason, milliseconds, peakBytes } = contestant;
  const who = { engine, ...(description !== undefined && { description }) };
  if (!output || !first.output) return { ...who, absent: reason ?? "it failed" };
  const times = summary(milliseconds);
  const error = relativeError(output, first.output);
  const agrees = error <= agreementLimit;
  return {
    ...who,
    times,
    imagesPerSecond: (batch * 1000) / times.median,
    relativeError: error,
    agrees,
    ...(agrees && { ratio: times.median / summary(first.milliseconds).median }),
    ...(loadMilliseconds !== undefined && { loadMilliseconds }),
    peakBytes,
  };
}
