import { parentPort, workerData } from "node:worker_threads";
import sharp from "sharp";
import { BatchMaker } from "./batches.js";
import { type LoaderReply, type LoaderRequest, type LoaderWorkerData, packError } from "./loader-messages.js";
import { MemoryDataset } from "./memory-dataset.js";
import { openDataset } from "./open-dataset.node.js";

/* The thread of a loader: makes the batches that it is asked for, one after another. */

const port = parentPort!;
const { dataset, options } = workerData as LoaderWorkerData;
sharp.concurrency(1); // one picture keeps one thread busy; there are as many pictures at work as is good already
sharp.cache(false);

const maker = Promise.resolve(
  "contents" in dataset ? new MemoryDataset(dataset.contents) : openDataset(dataset.source),
).then((opened) => new BatchMaker(opened, options));
maker.catch(() => undefined); // told with each batch that is asked for

const queue: (LoaderRequest & { kind: "make" })[] = [];
let busy = false;

port.on("message", (request: LoaderRequest) => {
  if (request.kind === "cancel") queue.length = 0;
  else queue.push(request);
  if (!busy) void work();
});

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
