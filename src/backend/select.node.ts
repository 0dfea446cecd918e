import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { UserError } from "../core/errors.js";
import type { Backend } from "./backend.js";
import { createNativeBackend, nativeAbsence } from "./native/native-backend.js";
import { type BackendKind, type BackendOptions, backendKinds, wantedThreads, wantsRelaxed } from "./options.js";
import { relaxedObstacle } from "./wasm/relaxed.js";
import { startWorker } from "./wasm/start-worker.node.js";
import { createWasmBackend } from "./wasm/wasm-backend.js";

export type { BackendKind, BackendOptions };

/**
 * The fastest backend of this machine: native kernels where they were built, else WebAssembly. The environment variable
 * REPVGG_BACKEND, `native` or `wasm`, decides where `options` do not.
 * @throws UserError when `threads` is not a whole number from 1 to 64, the kind of backend is unknown or not to be had, or
 *   memory is missing
 */
export async function createBackend(options: BackendOptions = {}): Promise<Backend> {
  const threads = wantedThreads(options, availableParallelism());
  return wantedKind(options) === "native" ? createNativeBackend(threads) : wasmBackend(threads, options);
}

function wasmBackend(threads: number, options: BackendOptions): Promise<Backend> {
  return createWasmBackend(
    {
      loadModule: async (build) =>
        WebAssembly.compile(await readFile(new URL(`../kernels/${build}.wasm`, import.meta.url))),
      startWorker,
      callerMaySleep: true,
    },
    threads,
    wantsRelaxed(options, relaxedObstacle()),
  );
}

function wantedKind({ kernels }: BackendOptions): BackendKind {
  const wanted = kernels ?? (process.env["REPVGG_BACKEND"] || undefined);
  if (wanted === undefined) return nativeAbsence() === undefined ? "native" : "wasm";
  const known = backendKinds.find((name) => name === wanted);
  if (!known) throw new UserError({ expected: `the backend ${backendKinds.join(" or ")}`, received: String(wanted) });
  return known;
}
