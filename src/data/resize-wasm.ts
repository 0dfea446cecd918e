import type { ResizeJob, Taps } from "./resize-passes.js";
import { resizeModule } from "./resize-wasm.generated.js";

/** The functions of kernels/pictures/resize.c; pointers are bytes of its memory. */
interface ResizeExports extends WebAssembly.Exports {
  readonly memory: WebAssembly.Memory;
  readonly __heap_base: WebAssembly.Global<"i32">;
  readonly horizontal_rgb: HorizontalPass;
  readonly horizontal_grey: HorizontalPass;
  vertical(
    data: number,
    first: number,
    length: number,
    starts: number,
    counts: number,
    weights: number,
    taps: number,
    out: number,
    height: number,
  ): void;
}

type HorizontalPass = (
  data: number,
  stride: number,
  rows: number,
  starts: number,
  counts: number,
  weights: number,
  taps: number,
  out: number,
  width: number,
) => void;

/** Rows of the picture are brought into the module's memory in parts of about this many bytes. */
const partBytes = 1 << 18;
/** Its memory never shrinks: larger results are left to the passes in TypeScript. */
const mostBytes = 1 << 25;
/** What reads and writes of whole vectors touch past the end. */
const slack = 16;

let exports: ResizeExports | null | undefined;

/**
 * The passes of a resize in WebAssembly SIMD, with the same bytes as in TypeScript, some times as fast.
 * @returns undefined where this machine or page allows no such code, or memory beyond reason would be needed.
 */
export function wasmPasses(job: ResizeJob): Uint8Array<ArrayBuffer> | undefined {
  const { source, from, stride, rows, channels, width, height, across, down } = job;
  if (!across && !down) return undefined; // it only cuts
  if (exports === undefined) exports = instantiate();
  if (!exports) return undefined;
  const rowBytes = width * channels;
  const rowsAtOnce = Math.min(rows, Math.max(1, Math.floor(partBytes / stride)));
  const heap = new Heap(exports);
  const acrossAt = across && heap.reserveTaps(across);
  const downAt = down && heap.reserveTaps(down);
  const narrowed = heap.reserve(rows * rowBytes + slack);
  const result = down ? heap.reserve(height * rowBytes + slack) : narrowed;
  const part = across ? heap.reserve(rowsAtOnce * stride + slack) : 0;
  if (!heap.allocate()) return undefined;
  if (across) heap.writeTaps(acrossAt!, across);
  if (down) heap.writeTaps(downAt!, down);

  const bytes = heap.bytes();
  const horizontal = channels === 1 ? exports.horizontal_grey : exports.horizontal_rgb;
  for (let y = 0; y < rows; y += across ? rowsAtOnce : 1) {
    const start = from + y * stride;
    const to = narrowed + y * rowBytes;
    if (!across) {
      bytes.set(source.subarray(start, start + rowBytes), to);
      continue;
    }
    const count = Math.min(rowsAtOnce, rows - y);
    bytes.set(source.subarray(start, start + count * stride), part); // the last row may end with the picture
    horizontal(part, stride, count, ...acrossAt!, across.stride, to, width);
  }
  if (down) exports.vertical(narrowed, job.firstRow, rowBytes, ...downAt!, down.stride, result, height);
  return bytes.slice(result, result + height * rowBytes);
}

/** Addresses of starts, counts and weights. */
type TapsAddresses = readonly [starts: number, counts: number, weights: number];

/** The module's memory for one call. */
class Heap {
  readonly #memory: WebAssembly.Memory;
  #end: number;

  constructor({ memory, __heap_base }: ResizeExports) {
    this.#memory = memory;
    this.#end = Number(__heap_base.value);
  }

  reserve(bytes: number): number {
    const address = Math.ceil(this.#end / 16) * 16;
    this.#end = address + bytes;
    return address;
  }

  reserveTaps({ starts, counts, weights }: Taps): TapsAddresses {
    return [this.reserve(starts.byteLength), this.reserve(counts.byteLength), this.reserve(weights.byteLength)];
  }

  /** Makes what was reserved usable. @returns whether it could. */
  allocate(): boolean {
    if (this.#end > mostBytes) return false;
    const missing = this.#end - this.#memory.buffer.byteLength;
    if (missing <= 0) return true;
    try {
      this.#memory.grow(Math.ceil(missing / 65536));
      return true;
    } catch (error) {
      if (error instanceof RangeError) return false; // no memory left
      throw error;
    }
  }

  bytes(): Uint8Array {
    return new Uint8Array(this.#memory.buffer);
  }

  writeTaps([startsAt, countsAt, weightsAt]: TapsAddresses, { starts, counts, weights }: Taps): void {
    const words = new Int32Array(this.#memory.buffer);
    words.set(starts, startsAt / 4);
    words.set(counts, countsAt / 4);
    words.set(weights, weightsAt / 4);
  }
}

function instantiate(): ResizeExports | null {
  try {
    const bytes = Uint8Array.from(atob(resizeModule), (character) => character.charCodeAt(0));
    return new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as ResizeExports;
  } catch {
    return null; // no WebAssembly SIMD, or a page whose policy forbids it
  }
}
