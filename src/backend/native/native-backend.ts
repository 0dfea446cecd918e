import { UserError } from "../../core/errors.js";
import type { Backend, Pointer } from "../backend.js";
import { type Engine, KernelBackend } from "../kernel-backend.js";
import { loadAddon, type NativeAddon, type NativeHandle, type NativeVariant } from "./addon.js";

/** Instruction sets of the addon that this processor can run, best first; empty where there is no addon. */
export function nativeVariants(): readonly string[] {
  const loaded = loadAddon();
  if ("absent" in loaded) return [];
  return loaded.addon.variants().flatMap(({ name, supported }) => (supported ? [name] : []));
}

/** Why there are no native kernels, or undefined. */
export function nativeAbsence(): string | undefined {
  const loaded = loadAddon();
  if ("absent" in loaded) return loaded.absent;
  return nativeVariants().length > 0 ? undefined : "none for this processor";
}

/**
 * The kernels as machine code, on `threads` threads.
 * @param variant one of {@link nativeVariants}; by default the best
 * @throws UserError when there is none, or the system has no room or threads for it
 */
export function createNativeBackend(threads: number, variant?: string): Backend {
  const loaded = loadAddon();
  const remedy = "use the backend wasm";
  if ("absent" in loaded) throw new UserError({ expected: "native kernels", received: loaded.absent, remedy });
  const { addon } = loaded;
  const variants = addon.variants();
  const index = variants.findIndex(({ name, supported }) => supported && (variant ?? name) === name);
  if (index < 0) {
    const expected = `native kernels for ${nativeVariants().join(" or ") || "another processor"}`;
    throw new UserError({ expected, received: variant ?? "this processor", remedy });
  }
  try {
    return new KernelBackend(new NativeEngine(addon, index, variants[index]!, threads));
  } catch (cause) {
    const received = cause instanceof Error ? cause.message : String(cause);
    throw new UserError({ expected: `native kernels on ${threads} threads`, received, remedy }, { cause });
  }
}

/** Node 20 cannot make larger buffers of foreign memory: 4 GiB less a page. */
const maxWindowBytes = 2 ** 32 - 65536;
/** Windows begin at multiples of this, so that any two neighbouring views of half a window fit in one. */
const windowStep = 2 ** 31;
const minWindowBytes = 2 ** 26;

class NativeEngine implements Engine {
  readonly name: string;
  readonly arithmetic: string;
  readonly lanes: number;
  readonly panelColumns: number;
  readonly microRows: number;
  readonly readsHalves: boolean;
  readonly multipliesBytes: boolean;
  readonly firstWord: number;
  readonly limitWord: number;
  readonly #handle: NativeHandle;
  /** By number of the step at which it begins. As long as what is in use there: V8 counts them as memory that it holds. */
  readonly #windows = new Map<number, ArrayBuffer>();

  constructor(
    readonly addon: NativeAddon,
    index: number,
    { name, lanes, panelColumns, microRows, readsHalves, multipliesBytes }: NativeVariant,
    readonly threads: number,
  ) {
    this.name = `native ${name}`;
    this.arithmetic = `native ${name.replace(/-vnni$/, "")}`; // integers are the same bits everywhere
    this.lanes = lanes;
    this.panelColumns = panelColumns;
    this.microRows = microRows;
    this.readsHalves = readsHalves;
    this.multipliesBytes = multipliesBytes;
    const { handle, firstWord, limitWord } = addon.create(index, threads);
    this.#handle = handle;
    this.firstWord = firstWord;
    this.limitWord = limitWord;
  }

  reserve(endWord: number): boolean {
    return this.addon.commit(this.#handle, endWord);
  }

  place(pointer: Pointer, byteLength: number): { buffer: ArrayBuffer; byteOffset: number } {
    const step = Math.floor((pointer * 4) / windowStep);
    const byteOffset = pointer * 4 - step * windowStep;
    return { buffer: this.#window(step, byteOffset + byteLength), byteOffset };
  }

  run(program: Pointer, count: number): void {
    this.addon.run(this.#handle, program, count);
  }

  dispose(): void {
    this.addon.stop(this.#handle);
    for (const buffer of this.#windows.values()) this.addon.detach(buffer);
    this.#windows.clear();
  }

  #window(step: number, bytes: number): ArrayBuffer {
    const before = this.#windows.get(step);
    if (before !== undefined && bytes <= before.byteLength) return before;
    const start = step * windowStep;
    const most = Math.min(maxWindowBytes, this.limitWord * 4 - start);
    if (!(bytes <= most)) throw new RangeError(`a view of kernel memory may not measure ${bytes} bytes`);
    if (before !== undefined) this.addon.detach(before);
    const length = Math.min(most, Math.max(minWindowBytes, 2 ** Math.ceil(Math.log2(bytes))));
    const buffer = this.addon.window(this.#handle, start, length);
    this.#windows.set(step, buffer);
    return buffer;
  }
}
