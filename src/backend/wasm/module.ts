/** What the compiled kernels export; see kernels/pool.c. Addresses are word indices unless they say otherwise. */
export interface KernelExports {
  /** Byte address at which the module's own data ends. */
  readonly __heap_base: WebAssembly.Global;
  /** @returns the word after the threads' scratch memories and stacks, which begin at `areas` */
  pool_setup(threads: number, areas: number, callerWaits: number): number;
  /** @returns 0, or 1 when a thread has failed */
  pool_run(program: number, count: number): number;
}

/** The build with threads has these besides. */
export interface ThreadedKernelExports extends KernelExports {
  readonly __stack_pointer: WebAssembly.Global;
  /** Returns only after {@link pool_stop}. */
  pool_worker(thread: number): void;
  pool_stop(): void;
  pool_fail(): void;
  /** A byte address. */
  pool_stack_top(thread: number): number;
}

/** Instantiates the kernels on a memory. */
export async function instantiateKernels(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
): Promise<KernelExports> {
  const instance = await WebAssembly.instantiate(module, { env: { memory } });
  return instance.exports as unknown as KernelExports;
}
