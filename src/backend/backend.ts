import type { KernelArguments, KernelName } from "./kernels.generated.js";

/**
 * Promises: memory that kernels can read, and kernels run on it, one after another, each on all threads; a call returns
 * when its work is done; results do not depend on the number of threads. Does not promise: anything about what a
 * kernel computes (see kernels/kernels.def and the conformance tests), autograd, shapes, or which algorithm fits.
 *
 * All addresses are `Pointer`s: indices of 4-byte words from the start of kernel memory. 0 is "none".
 */
export interface Backend {
  /** "wasm simd+threads", "native x86-64-v4", … */
  readonly name: string;
  /** Backends of the same arithmetic give the same bits: "wasm", "native x86-64-v4", … */
  readonly arithmetic: string;
  /** Threads that share the work, the caller's own included. */
  readonly threads: number;
  /** Vector width of the build in floats; packed weights are laid out in panels of `panelColumns` output channels. */
  readonly lanes: number;
  /** Output channels of a panel of packed weights. */
  readonly panelColumns: number;
  /** Rows of the tile of results that a micro-kernel holds in registers (kernels/conv_micro.h). */
  readonly microRows: number;
  /** Packed weights of convolutions may be float16 (`ConvTarget.halfWeights`). */
  readonly readsHalves: boolean;
  /** One instruction multiplies and sums 4 bytes of each lane: integer convolutions cost half as much. Results do not depend on it. */
  readonly multipliesBytes: boolean;
  /** Words allocated at present and at most so far: for memory reports and leak tests. */
  readonly memory: { readonly usedWords: number; readonly peakWords: number };

  /** Reserves `words` words, aligned to 64 bytes, contents undefined. @throws UserError when memory is exhausted. */
  allocate(words: number): Pointer;
  /** Gives back what {@link allocate} returned. @throws Error for any other pointer: a bug. */
  free(pointer: Pointer): void;

  /** Views of kernel memory. Take a new one for each use: memory that grows detaches old ones. */
  f32(pointer: Pointer, length: number): Float32Array;
  /** As {@link Backend.f32}, of whole numbers. */
  i32(pointer: Pointer, length: number): Int32Array;
  /** `length` bytes from the word at `pointer`. */
  u8(pointer: Pointer, length: number): Uint8Array;

  /** Runs the calls in order and returns when the last is done. */
  run(calls: readonly KernelCall[]): void;
  /** Encodes calls once, for calls that are run many times. */
  compile(calls: readonly KernelCall[]): Program;

  /** Stops the threads and releases memory. Idempotent; any later call throws. */
  dispose(): void;
}

/** Index of a 4-byte word in kernel memory. */
export type Pointer = number;

/** One kernel and its arguments. */
export type KernelCall = {
  [K in KernelName]: { readonly kernel: K; readonly args: KernelArguments[K] };
}[KernelName];

/** Calls encoded in kernel memory. */
export interface Program {
  run(): void;
  /** Frees the encoding (not the memory that the calls work on). */
  dispose(): void;
}
