import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { UserError } from "../core/errors.js";
import type { Backend } from "./backend.js";
import { startWorker } from "./wasm/start-worker.node.js";
import { createWasmBackend } from "./wasm/wasm-backend.js";

export interface BackendOptions {
  /** Threads that share the work, the caller's own included; at most 16 by default. */
  readonly threads?: number;
}

const maxThreads = 64;

/**
 * The fastest backend of this machine.
 * @throws UserError when `threads` is not a whole number from 1 to 64, or memory cannot be had
 */
export async function createBackend(options: BackendOptions = {}): Promise<Backend> {
  const threads = options.threads ?? Math.min(16, availableParallelism());
  if (!Number.isInteger(threads) || threads < 1 || threads > maxThreads) {
    throw new UserError({ expected: `threads from 1 to ${maxThreads}`, received: String(threads) });
  }
  return createWasmBackend(
    {
      loadModule: async (file) => WebAssembly.compile(await readFile(new URL(`../kernels/${file}`, import.meta.url))),
      startWorker,
      callerMaySleep: true,
    },
    threads,
  );
}
