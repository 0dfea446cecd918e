import { UserError } from "../core/errors.js";

/** Machine code of an addon, or WebAssembly. */
export type BackendKind = "native" | "wasm";

export const backendKinds: readonly BackendKind[] = ["native", "wasm"];

/**
 * Relaxed SIMD is a build of the WebAssembly kernels with fused multiply-adds: faster where the processor has them, and with other
 * last bits than every other build and machine, since each may round once or twice. `on`: it must be there; `auto`: where it is.
 */
export type RelaxedChoice = "on" | "off" | "auto";

const relaxedChoices: readonly RelaxedChoice[] = ["on", "off", "auto"];

/** Which kernels compute, and on how many threads. */
export interface BackendOptions {
  /** Threads that share the work, the caller's own included; by default one a processor, at most 16. */
  readonly threads?: number;
  /** By default the fastest that there is. A browser has only "wasm". */
  readonly kernels?: BackendKind;
  /** Of WebAssembly kernels. Default "off": the same bits everywhere. */
  readonly relaxed?: RelaxedChoice;
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

/**
 * Whether to take the build with relaxed SIMD.
 * @param obstacle why it cannot be had here, or undefined
 * @throws UserError when it is none of the choices, or asked for and not to be had
 */
export function wantsRelaxed({ relaxed = "off" }: BackendOptions, obstacle: string | undefined): boolean {
  if (!relaxedChoices.includes(relaxed)) {
    throw new UserError({ expected: `relaxed as ${relaxedChoices.join(", ")}`, received: String(relaxed) });
  }
  if (relaxed === "off" || (relaxed === "auto" && obstacle)) return false;
  if (!obstacle) return true;
  throw new UserError({
    expected: "WebAssembly with relaxed SIMD",
    received: obstacle,
    remedy: 'ask for "auto" or "off"',
  });
}
