import type { Backend, Pointer } from "../backend/backend.js";
import { checkCalls, checksKernels } from "../backend/check-calls.js";
import type { Constant, Packing } from "../lowering/constants.js";

/** Constants of a session's plans in kernel memory: each once, for as long as a plan needs it. */
export class ConstantStore {
  readonly #backend: Backend;
  readonly #entries = new Map<string, { readonly pointer: Pointer; users: number }>();

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Packs those that are not there yet. What was acquired before a failure is given back. */
  acquire(constants: readonly Constant[]): void {
    const acquired: Constant[] = [];
    // The largest first: the room that it is packed in has place for others afterwards.
    const inOrder = [...constants].sort((a, b) => b.words - a.words);
    try {
      for (const constant of inOrder) {
        const entry = this.#entries.get(constant.key);
        if (entry) entry.users++;
        else this.#entries.set(constant.key, { pointer: this.#load(constant), users: 1 });
        acquired.push(constant);
      }
    } catch (error) {
      this.release(acquired);
      throw error;
    }
  }

  release(constants: readonly Constant[]): void {
    for (const { key } of constants) {
      const entry = this.#entries.get(key)!;
      if (--entry.users > 0) continue;
      this.#backend.free(entry.pointer);
      this.#entries.delete(key);
    }
  }

  pointer(constant: Constant): Pointer {
    return this.#entries.get(constant.key)!.pointer;
  }

  #load(constant: Constant): Pointer {
    const pointer = this.#backend.allocate(constant.words);
    try {
      if (constant.packing) this.#pack(constant, constant.packing, pointer);
      else constant.write(this.#backend.f32(pointer, constant.count));
      return pointer;
    } catch (error) {
      this.#backend.free(pointer);
      throw error;
    }
  }

  #pack({ key, words, count, write }: Constant, { roomWords, calls }: Packing, pointer: Pointer): void {
    const room = this.#backend.allocate(roomWords);
    try {
      write(this.#backend.f32(room, count));
      const packing = calls(room, pointer);
      if (checksKernels) {
        const regions = [
          { name: "room", from: room, words: roomWords, writable: true },
          { name: key, from: pointer, words, writable: true },
        ];
        checkCalls(packing, regions, this.#backend, `packing of "${key}"`);
      }
      this.#backend.run(packing);
    } finally {
      this.#backend.free(room);
    }
  }
}
