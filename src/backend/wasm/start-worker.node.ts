import { Worker } from "node:worker_threads";
import { UserError } from "../../core/errors.js";
import { keepExternal } from "./node-files.node.js";
import type { StartWorker, WorkerReport } from "./workers.js";

/** Workers of Node. They do not keep the process alive. */
export const startWorker: StartWorker = (start, onDeath) =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./worker-main.node.js", import.meta.url), { execArgv: [] });
    let ready = false;
    const end = (reason: string): void => {
      if (ready) onDeath(reason);
      else reject(new Error(`a kernel worker did not start: ${reason}`));
    };
    worker.on("message", (report: WorkerReport) => {
      if ("error" in report) return end(report.error);
      ready = true;
      worker.unref();
      resolve({ terminate: () => void worker.terminate() });
    });
    worker.on("error", (error: NodeJS.ErrnoException) => {
      if (ready || !/MODULE_NOT_FOUND$/.test(error.code ?? "")) return end(String(error));
      const expected = "the file of a kernel worker beside this package's code";
      reject(new UserError({ expected, received: "none", remedy: keepExternal }, { cause: error }));
    });
    worker.on("exit", (code) => end(`it ended with code ${code}`));
    start.then(
      (given) => worker.postMessage(given),
      (error) => {
        reject(error);
        void worker.terminate();
      },
    );
  });
