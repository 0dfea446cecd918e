import { parentPort, workerData } from "node:worker_threads";
import { packError } from "../core/packed-error.js";
import { BatchMaker } from "./batches.js";
import type { Dataset } from "./dataset.js";
import type { LoaderReply, LoaderRequest, LoaderWorkerData } from "./loader-messages.js";
import { MemoryDataset } from "./memory-dataset.js";

/* The thread of a loader: makes the batches that it is asked for, one after another. */

const port = parentPort!;
const { dataset, options } = workerData as LoaderWorkerData;
const maker = open().then((opened) => new BatchMaker(opened, options));
maker.catch(() => undefined); // told with each batch that is asked for

const queue: (LoaderRequest & { kind: "make" })[] = [];
let busy = false;

port.on("message", (request: LoaderRequest) => {
  if (request.kind === "cancel") queue.length = 0;
  else queue.push(request);
  if (!busy) void work();
});

async function open(): Promise<Dataset> {
  if ("contents" in dataset) return new MemoryDataset(dataset.contents);
  const { openDataset } = await import("./open-dataset.node.js"); // the decoders load slowly: only where they are needed
  return openDataset(dataset.source);
}

async function work(): Promise<void> {
  busy = true;
  for (let request = queue.shift(); request; request = queue.shift()) {
    const { id, epoch, step } = request;
    try {
      const made = await (await maker).make(epoch, step);
      const { images, labels, indices } = made.batch;
      const buffers = [images.buffer, labels.buffer, indices.buffer] as ArrayBuffer[];
      port.postMessage({ id, made } satisfies LoaderReply, buffers);
    } catch (error) {
      port.postMessage({ id, error: packError(error) } satisfies LoaderReply);
    }
    await new Promise(setImmediate); // lets a cancel in
  }
  busy = false;
}
