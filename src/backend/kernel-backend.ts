import type { Backend, KernelCall, Pointer, Program } from "./backend.js";
import { encodeCalls } from "./encode.js";
import { Heap } from "./heap.js";

/** What runs the kernels: their memory and their threads. */
export interface Engine
  extends Pick<
    Backend,
    "name" | "arithmetic" | "threads" | "lanes" | "panelColumns" | "microRows" | "readsHalves" | "multipliesBytes"
  > {
  /** Words that may be given out: from the first to before the limit. */
  readonly firstWord: number;
  readonly limitWord: number;
  /** Makes sure that all words before `endWord` exist; false when that cannot be had. */
  reserve(endWord: number): boolean;
  /** Where `byteLength` bytes from a word on can be viewed. */
  place(pointer: Pointer, byteLength: number): { readonly buffer: ArrayBufferLike; readonly byteOffset: number };
  /** Runs `count` calls encoded at `program`. @throws when a kernel fails; the engine is then of no use */
  run(program: Pointer, count: number): void;
  /** Stops the threads and releases memory; called once. */
  dispose(): void;
}

/** A backend on an engine: who has which memory, and how calls are encoded. */
export class KernelBackend implements Backend {
  readonly name: string;
  readonly arithmetic: string;
  readonly threads: number;
  readonly lanes: number;
  readonly panelColumns: number;
  readonly microRows: number;
  readonly readsHalves: boolean;
  readonly multipliesBytes: boolean;
  readonly #heap: Heap;
  #engine: Engine | undefined;
  /** Where {@link run} encodes its calls. */
  #program: Pointer = 0;
  #programWords = 0;
  #failure: string | undefined;

  constructor(engine: Engine) {
    this.name = engine.name;
    this.arithmetic = engine.arithmetic;
    this.threads = engine.threads;
    this.lanes = engine.lanes;
    this.panelColumns = engine.panelColumns;
    this.microRows = engine.microRows;
    this.readsHalves = engine.readsHalves;
    this.multipliesBytes = engine.multipliesBytes;
    this.#engine = engine;
    this.#heap = new Heap(engine.firstWord, engine.limitWord, (endWord) => engine.reserve(endWord));
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
    const { buffer, byteOffset } = this.#live().place(pointer, length * 4);
    return new Float32Array(buffer, byteOffset, length);
  }

  i32(pointer: Pointer, length: number): Int32Array {
    const { buffer, byteOffset } = this.#live().place(pointer, length * 4);
    return new Int32Array(buffer, byteOffset, length);
  }

  u8(pointer: Pointer, length: number): Uint8Array {
    const { buffer, byteOffset } = this.#live().place(pointer, length);
    return new Uint8Array(buffer, byteOffset, length);
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
        if (program !== undefined && this.#engine !== undefined) this.#heap.free(program);
        program = undefined;
      },
    };
  }

  dispose(): void {
    this.#engine?.dispose();
    this.#engine = undefined;
  }

  /** The engine has come to harm: whatever is asked from now on throws the first reason. */
  fail(reason: string): void {
    this.#failure ??= reason;
  }

  #run(program: Pointer, count: number): void {
    const engine = this.#live();
    try {
      engine.run(program, count);
    } catch (error) {
      this.fail(`a kernel failed: ${error instanceof Error ? error.message : error}`); // others may be in the midst of it
      throw error;
    }
  }

  #live(): Engine {
    if (this.#engine === undefined) throw new Error("this backend is disposed");
    if (this.#failure !== undefined) throw new Error(this.#failure);
    return this.#engine;
  }
}
