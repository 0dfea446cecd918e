// A process that trains parts of a depth study one after another: it decodes the study's pictures once, then does what it is told: a part
// goes on from its last checkpoint.

import { trainAndTest } from "../../api/datasets.node.js";
import { inMemoryIfItFits } from "../../data/in-memory.js";
import { answerRequests, atMostEvery } from "../../studies/answering.node.js";
import type { FromChild, ToChild } from "./messages.node.js";
import { type StudySets, studyPictures } from "./pictures.js";
import { trainPart } from "./train-part.node.js";

/** Milliseconds between two reports of a part's steps. */
const reportEvery = 500;

type Open = Extract<ToChild, { type: "open" }>;
type Train = Extract<ToChild, { type: "train" }>;

let opened: { readonly sets: StudySets; readonly request: Open } | undefined;

const { tell } = answerRequests<ToChild, FromChild>((request, signal) =>
  request.type === "open" ? open(request) : train(request, signal),
);

async function open(request: Open): Promise<FromChild> {
  const { data } = request.plan;
  const pictures = studyPictures(await trainAndTest(data.place, data), request.plan);
  const sets = {
    train: await inMemoryIfItFits(pictures.train),
    choice: await inMemoryIfItFits(pictures.choice),
    test: await inMemoryIfItFits(pictures.test),
  };
  opened = { sets, request };
  return { type: "opened" };
}

async function train({ part, folder }: Train, signal: AbortSignal): Promise<FromChild> {
  const { sets, request } = opened!;
  const { plan, threads, kernels } = request;
  const run = await trainPart(plan, part, sets, {
    ...{ folder, threads, signal },
    ...(kernels && { kernels }),
    onStep: atMostEvery(reportEvery, (steps) => tell({ type: "step", steps })),
  });
  return { type: "done", run };
}
