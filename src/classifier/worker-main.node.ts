import { parentPort, workerData } from "node:worker_threads";
import type { Backend } from "../backend/backend.js";
import { createBackend, kernelNotes } from "../backend/select.node.js";
import { packError } from "../core/packed-error.js";
import type { ClassifierKernels } from "./contract.js";
import { JobQueue } from "./job-queue.node.js";
import type { Calls, FromWorker, NetId, ToWorker, WorkerStart } from "./messages.js";
import { ClassifierNet } from "./net.node.js";

/* The worker of a process's classifiers: nets on one backend, whose batches take turns. */

const port = parentPort!;
const backend = createBackend(workerData as WorkerStart);
backend.catch(() => {}); // told with each net that is opened
const queues = new Map<NetId, JobQueue>();
let working = false;

function send(message: FromWorker, move: readonly ArrayBuffer[] = []): void {
  port.postMessage(message, [...move]);
}

function kernelsOf({ name, threads }: Backend): ClassifierKernels {
  return { name, threads, notes: kernelNotes(name) };
}

async function open(id: number, { net, source, batch, concurrency }: Calls["open"]["args"]): Promise<void> {
  try {
    const kernels = await backend;
    const opened = await ClassifierNet.open(kernels, source, batch);
    queues.set(net, new JobQueue(opened, concurrency, { answer: send, wake: () => void work() }));
    send({ id, result: { kernels: kernelsOf(kernels), info: opened.info } });
  } catch (error) {
    send({ id, error: packError(error) });
  }
}

/** Runs what is ready, the nets in turn, and listens between two batches. */
async function work(): Promise<void> {
  if (working) return;
  working = true;
  for (;;) {
    const next = [...queues].find(([, queue]) => queue.isReady);
    if (!next) break;
    const [net, queue] = next;
    queues.delete(net);
    queues.set(net, queue); // the last that had its turn
    queue.runBatch();
    await new Promise(setImmediate);
  }
  working = false;
}

function close(net: NetId): void {
  queues.get(net)?.dispose();
  queues.delete(net);
}

async function end(id: number): Promise<void> {
  for (const net of [...queues.keys()]) close(net);
  await backend.then(
    (kernels) => kernels.dispose(),
    () => {},
  );
  send({ id, result: undefined });
}

port.on("message", (message: ToWorker) => {
  switch (message.call) {
    case "open":
      return void open(message.id, message.args);
    case "classify":
    case "features":
      return queues.get(message.args.net)?.add(message);
    case "abort":
      for (const queue of queues.values()) queue.drop(message.id);
      return;
    case "close":
      close(message.args.net);
      return send({ id: message.id, result: undefined });
    case "end":
      return void end(message.id);
  }
});
