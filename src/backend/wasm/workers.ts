import { instantiateKernels, type ThreadedKernelExports } from "./module.js";

/** What a worker is given to start. */
export interface WorkerStart {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly thread: number;
}

/** What a worker says: that it waits for work, or why it cannot. */
export type WorkerReport = { readonly ready: true } | { readonly error: string };

/**
 * Starts one worker and resolves when it waits for work; calls `onDeath` if it ends without having been stopped. The thread starts at
 * once, while what it is given is still being compiled: rejects with the reason of that if it fails.
 */
export type StartWorker = (start: Promise<WorkerStart>, onDeath: (reason: string) => void) => Promise<RunningWorker>;

export interface RunningWorker {
  /** Ends the worker at once. */
  terminate(): void;
}

/** The whole life of a worker; returns when the pool is stopped. */
export async function workForPool(
  { module, memory, thread }: WorkerStart,
  report: (report: WorkerReport) => void,
): Promise<void> {
  let kernels: ThreadedKernelExports | undefined;
  try {
    kernels = (await instantiateKernels(module, memory)) as ThreadedKernelExports;
    kernels.__stack_pointer.value = kernels.pool_stack_top(thread);
    report({ ready: true });
    kernels.pool_worker(thread);
  } catch (error) {
    kernels?.pool_fail();
    report({ error: String(error) });
  }
}
