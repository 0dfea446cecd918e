import type { Backend } from "../../backend/backend.js";
import { type BackendOptions, createBackend } from "../../backend/select.browser.js";

/** Where work runs. */
export interface ComputeOptions extends BackendOptions {
  /** Kernels and threads of the caller's; they stay when the work is done. Without it, a backend is made for this work alone. */
  readonly backend?: Backend;
}

/** Runs `work` on the caller's backend, or on one that lives as long as the work. */
export async function usingBackend<T>(options: ComputeOptions, work: (backend: Backend) => T | Promise<T>): Promise<T> {
  if (options.backend) return work(options.backend);
  const own = await createBackend(options);
  try {
    return await work(own);
  } finally {
    own.dispose();
  }
}
