/** A buffer's size and the steps, both included, between which its contents are needed. */
export interface Lifetime {
  readonly words: number;
  readonly start: number;
  readonly end: number;
}

export interface Placement {
  /** Offset of each lifetime in words, a multiple of the alignment. */
  readonly offsets: readonly number[];
  readonly words: number;
}

/** Buffers start on cache lines: 64 bytes. */
export const arenaAlignment = 16;

/**
 * Places buffers in one arena so that no two that live at the same time overlap: greedy by size, each into the
 * smallest gap that holds it (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020).
 * Deterministic: equal sizes are placed in the order given.
 */
export function placeBuffers(lifetimes: readonly Lifetime[], alignment = arenaAlignment): Placement {
  const offsets = new Array<number>(lifetimes.length).fill(0);
  const order = lifetimes.map((_, index) => index).sort((a, b) => lifetimes[b]!.words - lifetimes[a]!.words);
  const placed: number[] = []; // by offset
  let words = 0;
  for (const index of order) {
    const wanted = lifetimes[index]!;
    let best = -1;
    let bestGap = Number.POSITIVE_INFINITY;
    let free = 0;
    for (const other of placed) {
      const neighbour = lifetimes[other]!;
      if (neighbour.start > wanted.end || neighbour.end < wanted.start) continue;
      const gap = offsets[other]! - free;
      if (gap >= wanted.words && gap < bestGap) {
        best = free;
        bestGap = gap;
      }
      free = Math.max(free, alignUp(offsets[other]! + neighbour.words, alignment));
    }
    const offset = best >= 0 ? best : free;
    offsets[index] = offset;
    words = Math.max(words, alignUp(offset + wanted.words, alignment));
    const after = placed.findIndex((other) => offsets[other]! > offset);
    placed.splice(after < 0 ? placed.length : after, 0, index);
  }
  return { offsets, words };
}

export function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}
