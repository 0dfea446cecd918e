import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import type { Backend } from "./backend.js";
import { type BackendOptions, wantedThreads } from "./options.js";
import { startWorker } from "./wasm/start-worker.node.js";
import { createWasmBackend } from "./wasm/wasm-backend.js";

export type { BackendOptions };

/**
 * The fastest backend of this machine.
 * @throws UserError when `threads` is not a whole number from 1 to 64, or memory cannot be had
 */
export async function createBackend(options: BackendOptions = {}): Promise<Backend> {
  const threads = wantedThreads(options, availableParallelism());
  return createWasmBackend(
    {
      loadModule: async (file) => WebAssembly.compile(await readFile(new URL(`../kernels/${file}`, import.meta.url))),
      startWorker,
      callerMaySleep: true,
    },
    threads,
  );
}
