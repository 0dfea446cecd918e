import { UserError } from "../../core/errors.js";
import type { Backend, Pointer } from "../backend.js";
import { type Engine, KernelBackend } from "../kernel-backend.js";
import { instantiateKernels, type KernelExports, type ThreadedKernelExports } from "./module.js";
import type { RunningWorker, StartWorker } from "./workers.js";

/** The builds of the kernels, in `dist/kernels/`. */
export type WasmBuild = "simd" | "simd-threads" | "simd-threads-relaxed";

/** What differs between Node and the browser. */
export interface WasmHost {
  /** Compiles `dist/kernels/<build>.wasm`. */
  loadModule(build: WasmBuild): Promise<WebAssembly.Module>;
  readonly startWorker: StartWorker;
  /** The calling thread may sleep (a browser's main thread may not: it looks again and again). */
  readonly callerMaySleep: boolean;
}

const pageWords = 16384;
/** 4 GiB less a page. Where so much address space cannot be had, half, a quarter, an eighth. */
const maximumPages: readonly number[] = [65535, 32768, 16384, 8192];
/** Memory grows by at least 16 MiB at a time. */
const growthPages = 256;

/**
 * The kernels as WebAssembly with SIMD, on `threads` threads (1: without workers, and without shared memory where not relaxed).
 * @param relaxed see {@link wantsRelaxed}; there is no such build without shared memory
 * @throws UserError when address space is missing
 */
export async function createWasmBackend(host: WasmHost, threads: number, relaxed: boolean): Promise<Backend> {
  const shared = threads > 1 || relaxed;
  const memory = reserveMemory(shared);
  const loading = host.loadModule(relaxed ? "simd-threads-relaxed" : shared ? "simd-threads" : "simd");
  const settingUp = loading.then((module) => setUp(module, memory, threads, relaxed, host.callerMaySleep));
  let backend: KernelBackend | undefined;
  // Threads start while the kernels compile.
  const starts = Array.from({ length: threads - 1 }, (_, i) =>
    host.startWorker(
      settingUp.then(async () => ({ module: await loading, memory, thread: i + 1 })),
      async (reason) => {
        if (!(await settingUp).disposed) backend?.fail(`a kernel worker died: ${reason}`);
      },
    ),
  );
  for (const start of starts) {
    void start.then(
      async (worker) => (await settingUp).adopt(worker),
      () => {},
    );
  }
  backend = new KernelBackend(await settingUp);
  try {
    await Promise.all(starts);
  } catch (error) {
    backend.dispose();
    throw error;
  }
  return backend;
}

/** "wasm simd", "wasm simd+threads", "wasm simd+threads+relaxed". */
export function wasmName(threads: number, relaxed: boolean): string {
  return `wasm simd${threads > 1 || relaxed ? "+threads" : ""}${relaxed ? "+relaxed" : ""}`;
}

async function setUp(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  threads: number,
  relaxed: boolean,
  callerMaySleep: boolean,
): Promise<WasmEngine> {
  const kernels = await instantiateKernels(module, memory);
  const areas = Math.ceil((kernels.__heap_base.value as number) / 64) * 16;
  const heapStart = kernels.pool_setup(threads, areas, callerMaySleep ? 1 : 0);
  return new WasmEngine(kernels, memory, threads, relaxed, heapStart);
}

function reserveMemory(shared: boolean): WebAssembly.Memory {
  let reason: unknown;
  for (const maximum of maximumPages) {
    try {
      return new WebAssembly.Memory({ initial: growthPages, maximum, shared });
    } catch (error) {
      reason = error;
    }
  }
  throw new UserError(
    {
      expected: "address space for at least 512 MiB of kernel memory",
      received: String(reason),
      remedy: "raise the memory limit of this process",
    },
    { cause: reason },
  );
}

class WasmEngine implements Engine {
  readonly name: string;
  readonly arithmetic: string;
  readonly lanes = 4;
  readonly panelColumns = 8;
  readonly microRows = 4;
  readonly readsHalves = false;
  readonly multipliesBytes = false;
  readonly limitWord = maximumPages[0]! * pageWords;
  readonly #workers: RunningWorker[] = [];
  #disposed = false;

  constructor(
    readonly kernels: KernelExports,
    readonly wasmMemory: WebAssembly.Memory,
    readonly threads: number,
    relaxed: boolean,
    readonly firstWord: number,
  ) {
    this.name = wasmName(threads, relaxed);
    this.arithmetic = relaxed ? "wasm relaxed" : "wasm";
    if (!this.reserve(firstWord))
      throw new UserError({
        expected: `scratch memory for ${threads} threads`,
        received: "none",
        remedy: "use fewer threads",
      });
  }

  reserve(endWord: number): boolean {
    return growTo(this.wasmMemory, endWord);
  }

  place(pointer: Pointer): { buffer: ArrayBufferLike; byteOffset: number } {
    return { buffer: this.wasmMemory.buffer, byteOffset: pointer * 4 };
  }

  run(program: Pointer, count: number): void {
    if (this.kernels.pool_run(program, count) !== 0) throw new Error("a kernel failed on a worker");
  }

  dispose(): void {
    this.#disposed = true;
    if (this.threads > 1) (this.kernels as ThreadedKernelExports).pool_stop();
    for (const worker of this.#workers) worker.terminate();
    this.#workers.length = 0;
  }

  get disposed(): boolean {
    return this.#disposed;
  }

  adopt(worker: RunningWorker): void {
    if (this.#disposed) worker.terminate();
    else this.#workers.push(worker);
  }
}

/** Makes sure that all words before `endWord` exist. */
function growTo(memory: WebAssembly.Memory, endWord: number): boolean {
  const missing = Math.ceil(endWord / pageWords) - memory.buffer.byteLength / 65536;
  if (missing <= 0) return true;
  // More than is missing, where that can be had: growing costs little, but every view has to be made anew.
  for (const pages of [Math.max(missing, growthPages), missing]) {
    try {
      memory.grow(pages);
      return true;
    } catch {
      // The smaller step is tried; then the caller reports what it wanted memory for.
    }
  }
  return false;
}
