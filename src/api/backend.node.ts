import type { Backend } from "../backend/backend.js";
import { createBackend } from "../backend/select.node.js";

/** Where work runs. */
export interface ComputeOptions {
  /** Kernels and threads of the caller's; they stay when the work is done. */
  readonly backend?: Backend;
  /** Threads of a backend that is made for this work alone. Default: one a core. */
  readonly threads?: number;
}

/** Runs `work` on the caller's backend, or on one that lives as long as the work. */
export async function usingBackend<T>(
  { backend, threads }: ComputeOptions,
  work: (backend: Backend) => T | Promise<T>,
): Promise<T> {
  if (backend) return work(backend);
  const own = await createBackend(threads === undefined ? {} : { threads });
  try {
    return await work(own);
  } finally {
    own.dispose();
  }
}
