import { type WorkerReport, type WorkerStart, workForPool } from "./workers.js";

addEventListener("message", (event: MessageEvent<WorkerStart>) => {
  // The pool's thread blocks in WebAssembly from here on: reports before that are sent at once, none can follow.
  void workForPool(event.data, (report: WorkerReport) => postMessage(report));
});
