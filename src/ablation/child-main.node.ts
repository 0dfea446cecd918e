// A process that trains nets of an ablation one after another: it decodes all pictures once, then does what it is told. It ends
// with its channel, wherever it is: a run goes on from its last checkpoint.

import { type TrainAndTest, trainAndTest } from "../api/datasets.node.js";
import { packError } from "../core/packed-error.js";
import type { Dataset } from "../data/dataset.js";
import { decodeIntoMemory } from "../data/memory-dataset.js";
import type { FromChild, ToChild } from "./messages.node.js";
import { trainVariant, type VariantJob } from "./train-variant.node.js";

/** Milliseconds between two reports of a run's steps. */
const reportEvery = 200;

const stop = new AbortController();
let opened: { readonly sets: TrainAndTest; readonly request: Extract<ToChild, { type: "open" }> } | undefined;

async function open(request: Extract<ToChild, { type: "open" }>): Promise<FromChild> {
  const { data, strict } = request;
  const { train, test, origin } = await trainAndTest(data.place, { ...data, strict });
  const sets = { train: await decoded(train), test: await decoded(test), ...(origin && { origin }) };
  opened = { sets, request };
  return { type: "opened" };
}

/** In memory where it fits there. */
async function decoded(dataset: Dataset): Promise<Dataset> {
  return (await decodeIntoMemory(dataset)) ?? dataset;
}

async function train(job: VariantJob): Promise<FromChild> {
  const { sets, request } = opened!;
  const { threads, kernels } = request;
  let reported = Number.NEGATIVE_INFINITY;
  const run = await trainVariant(job, sets, {
    threads,
    ...(kernels && { kernels }),
    signal: stop.signal,
    onStep: (position, loss) => {
      const now = performance.now();
      if (now - reported < reportEvery) return;
      reported = now;
      tell({ type: "step", position, loss });
    },
  });
  return { type: "done", run };
}

function tell(message: FromChild): void {
  process.send!(message);
}

async function answer(work: Promise<FromChild>): Promise<void> {
  try {
    tell(await work);
  } catch (error) {
    tell({ type: "failed", error: packError(error) });
  }
}

process.on("message", (message: ToChild) => {
  if (message.type === "stop") stop.abort();
  else void answer(message.type === "open" ? open(message) : train(message.job));
});
process.on("disconnect", () => process.exit(0));
// Ctrl-C reaches every process of a terminal: the leading one decides.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => undefined);
