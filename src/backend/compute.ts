import type { Backend } from "./backend.js";
import type { BackendOptions } from "./options.js";

/** Where work runs. */
export interface ComputeOptions extends BackendOptions {
  /** Kernels and threads of the caller's; they stay when the work is done. Without it, a backend is made for this work alone. */
  readonly backend?: Backend;
}

/** Runs work on the caller's backend, or on one that lives as long as the work. */
export type UsingBackend = <T>(options: ComputeOptions, work: (backend: Backend) => T | Promise<T>) => Promise<T>;

/** @param create makes the backends of a platform */
export function usingBackendsOf(create: (options: BackendOptions) => Promise<Backend>): UsingBackend {
  return async (options, work) => {
    if (options.backend) return work(options.backend);
    const own = await create(options);
    try {
      return await work(own);
    } finally {
      own.dispose();
    }
  };
}
