import type { KernelName } from "#repvgg/backend/kernels.generated.js";
import { Rng } from "#repvgg/core/rng.js";

/** One call of one kernel, with what it must give according to a naive float64 oracle. */
export interface KernelCase {
  readonly kernel: KernelName;
  readonly title: string;
  /** Arguments that are numbers. A pointer argument that is named nowhere is 0: absent. */
  readonly scalars: Readonly<Record<string, number>>;
  /** Pointer arguments that the kernel reads only; a Uint8Array is laid out as bytes. */
  readonly inputs: Readonly<Record<string, Float32Array | Uint8Array>>;
  /** Where a pointer of `inputs` points within them, where not to their beginning: for steps that go backwards. */
  readonly offsets?: Readonly<Record<string, number>>;
  /** Pointer arguments that it writes. */
  readonly outputs: Readonly<Record<string, ExpectedOutput>>;
}

export interface ExpectedOutput {
  /** Contents before the call; where they are bytes, so are those after it. */
  readonly before: Float32Array | Uint8Array;
  /** Contents after it. */
  readonly after: ArrayLike<number>;
  /** |actual − after| ≤ relative · |after| + absolute · scale (1 unless given); what is not finite must be the same */
  readonly relative: number;
  readonly absolute: number;
  /** By element: what the sum of the magnitudes of the terms is, where terms may cancel. */
  readonly scale?: ArrayLike<number>;
}

/** Float32 numbers, uniform in [low, high), the same for the same seed. */
export function random(seed: number, length: number, low = -1, high = 1): Float32Array {
  const rng = new Rng(seed);
  return new Float32Array(length).map(() => rng.uniform(low, high));
}

/** An oracle's result by element. */
export function build(length: number, value: (index: number) => number): Float64Array {
  return new Float64Array(length).map((_, i) => value(i));
}

/** One value for each [row][channel]. */
export function buildRows(
  rows: number,
  channels: number,
  value: (row: number, channel: number) => number,
): Float64Array {
  return build(rows * channels, (i) => value(Math.floor(i / channels), i % channels));
}

/** Odd sizes, tails of vectors, one task and several. */
export const lengths = [1, 3, 4, 5, 17, 1000, 16384, 40_003];

/** [rows, channels]: narrow, wide, tails, one task and several. */
export const matrices = [
  [1, 1],
  [3, 5],
  [17, 3],
  [5, 8],
  [1000, 17],
  [300, 64],
  [2, 1100],
  [2500, 48],
] as const;

export const flags = [0, 1] as const;
