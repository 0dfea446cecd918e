import { parentPort } from "node:worker_threads";
import { type WorkerStart, workForPool } from "./workers.js";

parentPort!.once("message", (start: WorkerStart) => {
  void workForPool(start, (report) => parentPort!.postMessage(report));
});
