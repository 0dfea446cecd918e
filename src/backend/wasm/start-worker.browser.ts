import { UserError } from "../../core/errors.js";
import type { StartWorker, WorkerReport } from "./workers.js";

/** @throws UserError where the package comes from another site than the page, which may start no worker of it. */
function kernelWorker(): Worker {
  try {
    return new Worker(new URL("./worker-main.browser.js", import.meta.url), { type: "module" });
  } catch {
    throw unreachable();
  }
}

/** Browsers do not tell why a worker's script did not come. */
function unreachable(): UserError {
  return new UserError({
    expected: "the kernels' worker, from the page's own site",
    received: "a script that cannot be loaded",
    remedy:
      "serve the package's worker files beside its script, and allow them (worker-src 'self'), or ask for { threads: 1 }",
  });
}

/** Workers of a browser. */
export const startWorker: StartWorker = (start, onDeath) =>
  new Promise((resolve, reject) => {
    const worker = kernelWorker();
    let ready = false;
    const end = (reason: string): void => {
      if (ready) onDeath(reason);
      else reject(new Error(`a kernel worker did not start: ${reason}`));
    };
    worker.addEventListener("message", (event: MessageEvent<WorkerReport>) => {
      if ("error" in event.data) return end(event.data.error);
      ready = true;
      resolve({ terminate: () => worker.terminate() });
    });
    worker.addEventListener("error", (event) => {
      if (ready || event.message) end(event.message);
      else reject(unreachable());
    });
    start.then(
      (given) => worker.postMessage(given),
      (error) => {
        worker.terminate();
        reject(error);
      },
    );
  });
