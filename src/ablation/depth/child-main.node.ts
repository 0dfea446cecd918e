// A process that trains parts of a depth study one after another: it decodes the study's pictures once, then does what it is told. It
// ends with its channel, wherever it is: a part goes on from its last checkpoint.

import { trainAndTest } from "../../api/datasets.node.js";
import { packError } from "../../core/packed-error.js";
import type { Dataset } from "../../data/dataset.js";
import { decodeIntoMemory } from "../../data/memory-dataset.js";
import type { FromChild, ToChild } from "./messages.node.js";
import { type StudySets, studyPictures } from "./pictures.js";
import { trainPart } from "./train-part.node.js";

/** Milliseconds between two reports of a part's steps. */
const reportEvery = 500;

type Open = Extract<ToChild, { type: "open" }>;
type Train = Extract<ToChild, { type: "train" }>;

const stop = new AbortController();
let opened: { readonly sets: StudySets; readonly request: Open } | undefined;

async function open(request: Open): Promise<FromChild> {
  const { data } = request.plan;
  const { train, choice, test } = studyPictures(await trainAndTest(data.place, data), request.plan);
  opened = { sets: { train: await decoded(train), choice: await decoded(choice), test: await decoded(test) }, request };
  return { type: "opened" };
}

/** In memory where it fits there. */
async function decoded(dataset: Dataset): Promise<Dataset> {
  return (await decodeIntoMemory(dataset)) ?? dataset;
}

async function train({ part, folder }: Train): Promise<FromChild> {
  const { sets, request } = opened!;
  const { plan, threads, kernels } = request;
  let reported = Number.NEGATIVE_INFINITY;
  const run = await trainPart(plan, part, sets, {
    ...{ folder, threads, signal: stop.signal },
    ...(kernels && { kernels }),
    onStep: (steps) => {
      const now = performance.now();
      if (now - reported < reportEvery) return;
      reported = now;
      tell({ type: "step", steps });
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
  else void answer(message.type === "open" ? open(message) : train(message));
});
process.on("disconnect", () => process.exit(0));
// Ctrl-C reaches every process of a terminal: the leading one decides.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => undefined);
