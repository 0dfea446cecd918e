import type { StartWorker, WorkerReport } from "./workers.js";

/** Workers of a browser. */
export const startWorker: StartWorker = (start, onDeath) =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./worker-main.browser.js", import.meta.url), { type: "module" });
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
    worker.addEventListener("error", (event) => end(event.message));
    start.then(
      (given) => worker.postMessage(given),
      (error) => {
        worker.terminate();
        reject(error);
      },
    );
  });
