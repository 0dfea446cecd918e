import { availableParallelism } from "node:os";
import { UserError } from "../core/errors.js";
import type { Backend } from "./backend.js";
import { createNativeBackend, nativeAbsence, nativeVariants } from "./native/native-backend.js";
import { type BackendKind, type BackendOptions, backendKinds, wantedThreads, wantsRelaxed } from "./options.js";
import { loadKernels } from "./wasm/node-files.node.js";
import { relaxedObstacle } from "./wasm/relaxed.js";
import { startWorker } from "./wasm/start-worker.node.js";
import { createWasmBackend, wasmName } from "./wasm/wasm-backend.js";

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

/** What computes, as every function of this package chooses it. */
export interface KernelChoice {
  /** Machine code or WebAssembly. */
  readonly kind: BackendKind;
  /** "native x86-64-v4", "wasm simd+threads". */
  readonly name: string;
  /** That share the work, the caller's own included. */
  readonly threads: number;
  /** What keeps it from being faster, each in one sentence: that there are no native kernels here, and why. */
  readonly notes: readonly string[];
}

/**
 * Which kernels run on this machine, and why no faster ones.
 * @param options as for whatever computes
 * @throws UserError for threads that are no whole number from 1 to 64, and kernels that are unknown or not to be had
 */
export function kernels(options: BackendOptions = {}): KernelChoice {
  const threads = wantedThreads(options, availableParallelism());
  if (wantedKind(options) === "native") {
    const [best] = nativeVariants();
    if (best !== undefined) return { kind: "native", name: `native ${best}`, threads, notes: [] };
    throw new UserError({ expected: "native kernels", received: nativeAbsence()!, remedy: "use the backend wasm" });
  }
  const name = wasmName(threads, wantsRelaxed(options, relaxedObstacle()));
  return { kind: "wasm", name, threads, notes: kernelNotes(name) };
}

/**
 * What keeps kernels of this name from being faster: that there are no native ones here, and why.
 * @param name of the backend, as {@link Backend} has it
 */
export function kernelNotes(name: string): readonly string[] {
  const absence = name.startsWith("native") ? undefined : nativeAbsence();
  return absence === undefined ? [] : [`WebAssembly kernels run, slower than native ones: ${absence}`];
}

function wasmBackend(threads: number, options: BackendOptions): Promise<Backend> {
  return createWasmBackend(
    {
      loadModule: loadKernels,
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
