import { UserError } from "../core/errors.js";

/** Machine code of an addon, or WebAssembly. */
export type BackendKind = "native" | "wasm";

export const backendKinds: readonly BackendKind[] = ["native", "wasm"];

export interface BackendOptions {
  /** Threads that share the work, the caller's own included; by default one a processor, at most 16. */
  readonly threads?: number;
  /** By default the fastest that there is. A browser has only "wasm". */
  readonly kernels?: BackendKind;
}

const maxThreads = 64;
const maxDefaultThreads = 16;

/** @throws UserError when `threads` is not a whole number from 1 to 64 */
export function wantedThreads(options: BackendOptions, processors: number): number {
  const threads = options.threads ?? Math.min(maxDefaultThreads, processors);
  if (!Number.isInteger(threads) || threads < 1 || threads > maxThreads) {
    throw new UserError({ expected: `threads from 1 to ${maxThreads}`, received: String(threads) });
  }
  return threads;
}
