import { ShapeError } from "../../core/errors.js";
import type { Backend } from "../backend.js";

/** What a plan must know of the backend that will run it. `threads` shapes the tasks, never the result. */
export interface ConvTarget extends Pick<Backend, "lanes" | "panelColumns" | "microRows" | "threads"> {
  /** Packed weights take about the memory of the weights, whatever it costs. */
  readonly compactWeights?: boolean;
  /** Packed weights are float16 (where the backend readsHalves). */
  readonly halfWeights?: boolean;
}

/** Words of scratch memory that a kernel's thread has (POOL_SCRATCH_BYTES of kernels/pool.h). */
export const scratchWords = (2 << 20) / 4;

/** A weight whose Winograd points (at most 20 times as large) are still below float16's limit of 65,504. */
const largestHalfWeight = 2 ** 11;

/** Words of memory that so many packed weights take. */
export function packedWordsOf(weights: number, { halfWeights }: ConvTarget): number {
  return halfWeights ? ceilDiv(weights, 2) : weights;
}

/** What packed weights must not exceed, as a plan says it. */
export function packingLimit({ halfWeights }: ConvTarget): { readonly largestWeight?: number } {
  return halfWeights ? { largestWeight: largestHalfWeight } : {};
}

/** Words of a kernel tap of a micro-tile (micro_tap of kernels/conv_micro.h), pointers counted as those of a 64-bit machine. */
export function tapWords(target: ConvTarget): number {
  return 2 * target.microRows + 2;
}

/** Rows that micro-tiles make where so many are wanted: high ones have a version of half their rows (FEW_ROWS of kernels/conv_micro.h). */
export function madeRows(rows: number, { microRows }: ConvTarget): number {
  return roundUp(rows, microRows > 4 ? microRows / 2 : microRows);
}

/** Tasks for each thread that keep the threads' ends close together. */
const tasksPerThread = 4;

/** ⌈n / d⌉ */
export function ceilDiv(n: number, d: number): number {
  return Math.ceil(n / d);
}

/** ⌈n / multiple⌉ · multiple */
export function roundUp(n: number, multiple: number): number {
  return ceilDiv(n, multiple) * multiple;
}

/**
 * The length of blocks that cut `units` so that `others` × blocks are enough tasks for the threads:
 * all units in one block where `others` tasks are enough already.
 */
export function blockLength(units: number, others: number, threads: number): number {
  const wanted = threads === 1 ? 1 : ceilDiv(tasksPerThread * threads, others);
  return ceilDiv(units, Math.min(units, wanted));
}

/** @throws ShapeError where even the smallest task of a convolution would not find room in a thread's scratch memory. */
export function checkScratch(words: number): void {
  if (words <= scratchWords) return;
  throw new ShapeError({
    expected: `a convolution whose smallest part fits in ${scratchWords} words of scratch memory`,
    received: `one that needs ${words}`,
    remedy: "use a smaller kernel or a narrower image",
  });
}
