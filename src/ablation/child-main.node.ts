// A process that trains nets of an ablation one after another: it decodes all pictures once, then does what it is told: a run goes on from
// its last checkpoint.

import { type TrainAndTest, trainAndTest } from "../api/datasets.node.js";
import { inMemoryIfItFits } from "../data/in-memory.js";
import { answerRequests, atMostEvery } from "../studies/answering.node.js";
import type { FromChild, ToChild } from "./messages.node.js";
import { trainVariant, type VariantJob } from "./train-variant.node.js";

/** Milliseconds between two reports of a run's steps. */
const reportEvery = 200;

type Open = Extract<ToChild, { type: "open" }>;

let opened: { readonly sets: TrainAndTest; readonly request: Open } | undefined;

const { tell } = answerRequests<ToChild, FromChild>((request, signal) =>
  request.type === "open" ? open(request) : train(request.job, signal),
);

async function open(request: Open): Promise<FromChild> {
  const { data, strict } = request;
  const { train, test, origin } = await trainAndTest(data.place, { ...data, strict });
  const sets = { train: await inMemoryIfItFits(train), test: await inMemoryIfItFits(test), ...(origin && { origin }) };
  opened = { sets, request };
  return { type: "opened" };
}

async function train(job: VariantJob, signal: AbortSignal): Promise<FromChild> {
  const { sets, request } = opened!;
  const { threads, kernels } = request;
  const run = await trainVariant(job, sets, {
    ...{ threads, signal },
    ...(kernels && { kernels }),
    onStep: atMostEvery(reportEvery, (position, loss) => tell({ type: "step", position, loss })),
  });
  return { type: "done", run };
}
