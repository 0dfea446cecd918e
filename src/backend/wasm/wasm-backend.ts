import { UserError } from "../../core/errors.js";
import type { Backend, KernelCall, Pointer, Program } from "../backend.js";
import { encodeCalls } from "./encode.js";
import { Heap } from "./heap.js";
import { instantiateKernels, type KernelExports, type ThreadedKernelExports } from "./module.js";
import type { RunningWorker, StartWorker } from "./workers.js";

/** What differs between Node and the browser. */
export interface WasmHost {
  /** Compiles `dist/kernels/<file>`. */
  loadModule(file: "simd.wasm" | "simd-threads.wasm"): Promise<WebAssembly.Module>;
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
 * The kernels as WebAssembly with SIMD, on `threads` threads (1: without shared memory or workers).
 * @throws UserError when address space is missing
 */
export async function createWasmBackend(host: WasmHost, threads: number): Promise<Backend> {
  const shared = threads > 1;
  const module = await host.loadModule(shared ? "simd-threads.wasm" : "simd.wasm");
  const memory = reserveMemory(shared);
  const kernels = await instantiateKernels(module, memory);
  const areas = Math.ceil((kernels.__heap_base.value as number) / 64) * 16;
  const heapStart = kernels.pool_setup(threads, areas, host.callerMaySleep ? 1 : 0);
  const backend = new WasmBackend(kernels, memory, threads, heapStart);
  if (!shared) return backend;
  try {
    const starts = Array.from({ length: threads - 1 }, (_, i) =>
      host.startWorker({ module, memory, thread: i + 1 }, (reason) => backend.onWorkerDeath(reason)),
    );
    for (const start of starts)
      void start.then(
        (worker) => backend.adopt(worker),
        () => {},
      );
    await Promise.all(starts);
  } catch (error) {
    backend.dispose();
    throw error;
  }
  return backend;
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

class WasmBackend implements Backend {
  readonly name: string;
  readonly threads: number;
  readonly lanes = 4;
  readonly panelColumns = 8;
  readonly #heap: Heap;
  readonly #workers: RunningWorker[] = [];
  #kernels: KernelExports | undefined;
  #memory: WebAssembly.Memory | undefined;
  /** Where {@link run} encodes its calls. */
  #program: Pointer = 0;
  #programWords = 0;
  #failure: string | undefined;
  #disposed = false;

  constructor(kernels: KernelExports, memory: WebAssembly.Memory, threads: number, heapStart: number) {
    this.name = threads > 1 ? "wasm simd+threads" : "wasm simd";
    this.threads = threads;
    this.#kernels = kernels;
    this.#memory = memory;
    const reserve = (endWord: number): boolean => growTo(memory, endWord);
    this.#heap = new Heap(heapStart, maximumPages[0]! * pageWords, reserve);
    if (!reserve(heapStart))
      throw new UserError({
        expected: `scratch memory for ${threads} threads`,
        received: "none",
        remedy: "use fewer threads",
      });
  }

  get memory(): { readonly usedWords: number; readonly peakWords: number } {
    return { usedWords: this.#heap.usedWords - this.#programWords, peakWords: this.#heap.peakWords };
  }

  allocate(words: number): Pointer {
    this.#live();
    return this.#heap.allocate(words);
  }

  free(pointer: Pointer): void {
    this.#live();
    this.#heap.free(pointer);
  }

  f32(pointer: Pointer, length: number): Float32Array {
    return new Float32Array(this.#live().memory.buffer, pointer * 4, length);
  }

  i32(pointer: Pointer, length: number): Int32Array {
    return new Int32Array(this.#live().memory.buffer, pointer * 4, length);
  }

  u8(pointer: Pointer, length: number): Uint8Array {
    return new Uint8Array(this.#live().memory.buffer, pointer * 4, length);
  }

  run(calls: readonly KernelCall[]): void {
    const words = encodeCalls(calls);
    if (words.length > this.#programWords) {
      if (this.#program !== 0) this.free(this.#program);
      this.#program = this.#programWords = 0;
      const room = Math.max(1024, 2 ** Math.ceil(Math.log2(words.length)));
      this.#program = this.allocate(room);
      this.#programWords = room;
    }
    this.i32(this.#program, words.length).set(words);
    this.#run(this.#program, calls.length);
  }

  compile(calls: readonly KernelCall[]): Program {
    const words = encodeCalls(calls);
    let program: Pointer | undefined = this.allocate(words.length);
    this.i32(program, words.length).set(words);
    return {
      run: () => {
        if (program === undefined) throw new Error("this program is disposed");
        this.#run(program, calls.length);
      },
      dispose: () => {
        if (program !== undefined && !this.#disposed) this.free(program);
        program = undefined;
      },
    };
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    if (this.threads > 1) (this.#kernels as ThreadedKernelExports).pool_stop();
    for (const worker of this.#workers) worker.terminate();
    this.#workers.length = 0;
    this.#kernels = undefined;
    this.#memory = undefined;
  }

  adopt(worker: RunningWorker): void {
    if (this.#disposed) worker.terminate();
    else this.#workers.push(worker);
  }

  onWorkerDeath(reason: string): void {
    if (!this.#disposed) this.#failure ??= `a kernel worker died: ${reason}`;
  }

  #run(program: Pointer, count: number): void {
    const { kernels } = this.#live();
    let failed: number;
    try {
      failed = kernels.pool_run(program, count);
    } catch (error) {
      this.#failure = `a kernel failed: ${error}`; // the other threads may be in the midst of it
      throw error;
    }
    if (failed !== 0) {
      this.#failure ??= "a kernel failed on a worker";
      throw new Error(this.#failure);
    }
  }

  #live(): { readonly kernels: KernelExports; readonly memory: WebAssembly.Memory } {
    if (this.#kernels === undefined || this.#memory === undefined) throw new Error("this backend is disposed");
    if (this.#failure !== undefined) throw new Error(this.#failure);
    return { kernels: this.#kernels, memory: this.#memory };
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
