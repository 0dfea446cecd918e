// The process of one engine: makes a net ready, then runs rounds when it is told to, and ends with its channel.
import type { SessionTensor } from "../../engine/session.js";
import { normalInput } from "../../verify/random-inputs.js";
import { engineNamed } from "./engines/registry.node.js";
import { type BenchInputs, type BenchJob, type BenchRunner, EngineAbsent } from "./job.js";
import type { FromChild, ToChild } from "./messages.js";
import { peakMemory } from "./peak-memory.node.js";

let ready: { readonly runner: BenchRunner; readonly inputs: BenchInputs } | undefined;

function inputsOf({ shapes }: BenchJob): BenchInputs {
  const value = normalInput(shapes) as SessionTensor | BenchInputs;
  const names = Object.keys(shapes);
  return names.length === 1 ? { [names[0]!]: value as SessionTensor } : (value as BenchInputs);
}

async function prepare(job: BenchJob): Promise<FromChild> {
  const engine = engineNamed(job.engine);
  if (!engine) return { type: "absent", reason: "unknown" };
  const inputs = inputsOf(job);
  const start = performance.now();
  const runner = await engine(job);
  const output = Float32Array.from(await runner.run(inputs));
  const loadMilliseconds = performance.now() - start;
  ready = { runner, inputs };
  return { type: "ready", description: runner.description, loadMilliseconds, output };
}

/** One run that does not count, since another process had the caches, then timed ones. */
async function round(milliseconds: number): Promise<FromChild> {
  const { runner, inputs } = ready!;
  await runner.run(inputs);
  const times: number[] = [];
  const start = performance.now();
  while (times.length < 3 || performance.now() - start < milliseconds) {
    const before = performance.now();
    await runner.run(inputs);
    times.push(performance.now() - before);
  }
  return { type: "times", milliseconds: times, peakBytes: runner.peakBytes ?? peakMemory() };
}

async function answer(message: ToChild): Promise<FromChild> {
  try {
    return await (message.type === "prepare" ? prepare(message.job) : round(message.milliseconds));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { type: error instanceof EngineAbsent ? "absent" : "failed", reason };
  }
}

process.on("message", (message: ToChild) => {
  void answer(message).then((reply) => process.send!(reply));
});
process.on("disconnect", () => process.exit(0));
