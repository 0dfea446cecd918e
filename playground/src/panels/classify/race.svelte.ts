import { createEngine } from "repvgg/browser";
import { surroundings } from "../../app/surroundings.svelte.js";
import type { Form } from "../../engine/net-summary.js";
import { openOnnxruntime } from "../../engine/onnxruntime.js";
import type { OpenNet } from "../../engine/open-net.js";

/** One way to run the net. */
export type Way =
  | { readonly engine: "ours"; readonly form: Form; readonly threads: number; readonly relaxed: boolean }
  | { readonly engine: "onnxruntime"; readonly provider: "wasm" | "webgpu"; readonly threads: number };

/** Runs the net once on the picture. */
export interface Runner {
  /** @returns milliseconds of the net alone */
  run(): Promise<number>;
  close(): void;
}

export class Contestant {
  readonly name: string;
  readonly detail: string;
  readonly colour: string;
  chosen = $state(false);
  status = $state<"waiting" | "starting" | "racing" | "failed">("waiting");
  error = $state<string>();
  samples = $state.raw<readonly number[]>([]);
  readonly median = $derived(medianOf(this.samples));

  constructor(
    readonly way: Way,
    chosen: boolean,
  ) {
    const threads = way.threads === 1 ? "1 thread" : `${way.threads} threads`;
    this.chosen = chosen;
    if (way.engine === "ours") {
      this.name = way.form === "train" ? "With branches" : "Plain";
      this.detail = `${threads}${way.relaxed ? ", relaxed SIMD" : ""}`;
      this.colour = way.form === "train" ? "var(--train)" : "var(--plain)";
    } else {
      this.name = "onnxruntime-web";
      this.detail = way.provider === "webgpu" ? "plain, WebGPU" : `plain, ${threads}`;
      this.colour = "var(--other)";
    }
  }
}

/**
 * What can be compared in this browser.
 * @param onnxruntime whether this site has onnxruntime-web
 */
export function contestants(relaxedAvailable: boolean, onnxruntime: boolean): Contestant[] {
  const { maxThreads } = surroundings;
  const some = maxThreads > 1 ? [1, maxThreads] : [1];
  const all = [1, 2, 4, 8, 16].filter((threads) => threads < maxThreads);
  const ours = (form: Form, threads: number, relaxed = false): Way => ({ engine: "ours", form, threads, relaxed });
  return [
    ...some.map((threads) => new Contestant(ours("train", threads), threads === maxThreads)),
    ...[...all, maxThreads].map((threads) => new Contestant(ours("plain", threads), true)),
    ...(relaxedAvailable ? [new Contestant(ours("plain", maxThreads, true), false)] : []),
    ...(onnxruntime ? others(some) : []),
  ];
}

function others(threads: readonly number[]): Contestant[] {
  return [
    ...threads.map((some) => new Contestant({ engine: "onnxruntime", provider: "wasm", threads: some }, false)),
    ...("gpu" in navigator ? [new Contestant({ engine: "onnxruntime", provider: "webgpu", threads: 1 }, false)] : []),
  ];
}

export const maxRounds = 300;

/** Contestants in turn, round after round, so that whatever slows the machine slows all of them. */
export class Race {
  running = $state(false);
  rounds = $state(0);
  #stopped = true;

  async run(field: readonly Contestant[], net: OpenNet, picture: Blob): Promise<void> {
    const chosen = field.filter((contestant) => contestant.chosen);
    this.running = true;
    this.#stopped = false;
    this.rounds = 0;
    for (const contestant of field) {
      contestant.samples = [];
      contestant.error = undefined;
      contestant.status = contestant.chosen ? "starting" : "waiting";
    }
    const runners: [Contestant, Runner][] = [];
    try {
      for (const contestant of chosen) {
        const runner = await start(contestant, net, picture);
        if (runner) runners.push([contestant, runner]);
        if (this.#stopped) return;
      }
      while (!this.#stopped && this.rounds < maxRounds && runners.length > 0) {
        for (const [contestant, runner] of runners) {
          contestant.samples = [...contestant.samples, await runner.run()];
          if (this.#stopped) return;
        }
        this.rounds++;
      }
    } finally {
      for (const [contestant, runner] of runners) {
        runner.close();
        contestant.status = "waiting";
      }
      this.running = false;
    }
  }

  stop(): void {
    this.#stopped = true;
  }
}

/** Opens and warms up; a contestant that cannot take part says why and does not. */
async function start(contestant: Contestant, net: OpenNet, picture: Blob): Promise<Runner | undefined> {
  try {
    const runner = await open(contestant.way, net, picture);
    for (let i = 0; i < 2; i++) await runner.run();
    contestant.status = "racing";
    return runner;
  } catch (error) {
    contestant.status = "failed";
    contestant.error = error instanceof Error ? error.message : String(error);
    return undefined;
  }
}

async function open(way: Way, net: OpenNet, picture: Blob): Promise<Runner> {
  if (way.engine === "onnxruntime") return openOnnxruntime(way, net.plain, picture);
  const { form, threads, relaxed } = way;
  const engine = await createEngine({ threads, relaxed: relaxed ? "on" : "off" });
  try {
    const own = await engine.load(await net[form].save("safetensors"));
    return {
      run: async () => (await own.classify(picture)).netMilliseconds,
      close: () => engine.dispose(),
    };
  } catch (error) {
    engine.dispose();
    throw error;
  }
}

function medianOf(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
