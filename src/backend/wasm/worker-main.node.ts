import { parentPort, workerData } from "node:worker_threads";
import { type WorkerStart, workForPool } from "./workers.js";

await workForPool(workerData as WorkerStart, (report) => parentPort!.postMessage(report));
