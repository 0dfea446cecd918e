import { UserError } from "../core/errors.js";
import type { Pointer } from "./backend.js";

/** Blocks begin at, and measure, whole lines of 16 words: 64 bytes. */
const line = 16;

/** Size classes divide each power of two by 2³: a block wastes no more than an eighth of itself on a worse fit. */
const classBits = 3;

/** Free blocks of a class that are looked at before a larger class is taken. */
const triesInClass = 8;

/**
 * Who has which part of a range of words. Free blocks stand in lists by size class and are merged with free neighbours
 * at once, so that allocating and freeing cost about the same however many blocks there are. Only bookkeeping: the
 * memory itself is the caller's, who makes it larger through `reserve`.
 */
export class Heap {
  readonly #limit: number;
  readonly #reserve: (endWord: number) => boolean;
  #end: number;
  #usedWords = 0;
  #peakWords = 0;
  readonly #used = new Map<Pointer, number>();
  readonly #freeByStart = new Map<number, number>();
  readonly #freeByEnd = new Map<number, number>();
  readonly #classes: Set<number>[] = [];

  /**
   * @param start first word of the range (rounded up to 64 bytes)
   * @param limit word after the last that can ever be used
   * @param reserve makes sure that all words before `endWord` exist; false when that cannot be had
   */
  constructor(start: number, limit: number, reserve: (endWord: number) => boolean) {
    this.#end = Math.max(line, roundUp(start));
    this.#limit = limit - (limit % line);
    this.#reserve = reserve;
  }

  get usedWords(): number {
    return this.#usedWords;
  }

  get peakWords(): number {
    return this.#peakWords;
  }

  /** @throws UserError when no room is left, RangeError for a size that is not a whole number ≥ 0. */
  allocate(words: number): Pointer {
    if (!Number.isSafeInteger(words) || words < 0) throw new RangeError(`cannot allocate ${words} words`);
    const size = Math.max(line, roundUp(words));
    const start = this.#takeFree(size) ?? this.#extend(size);
    this.#used.set(start, size);
    this.#usedWords += size;
    this.#peakWords = Math.max(this.#peakWords, this.#usedWords);
    return start;
  }

  /** @throws Error when `start` is not an allocated block. */
  free(start: Pointer): void {
    const size = this.#used.get(start);
    if (size === undefined) throw new Error(`free(${start}): no block is allocated there`);
    this.#used.delete(start);
    this.#usedWords -= size;
    let begin = start;
    let end = start + size;
    const before = this.#freeByEnd.get(begin);
    if (before !== undefined) {
      this.#removeFree(before, begin - before);
      begin = before;
    }
    const after = this.#freeByStart.get(end);
    if (after !== undefined) {
      this.#removeFree(end, after);
      end += after;
    }
    this.#addFree(begin, end - begin);
  }

  #takeFree(size: number): number | undefined {
    const own = sizeClass(size);
    let tries = 0;
    for (const start of this.#classes[own] ?? []) {
      if (this.#freeByStart.get(start)! >= size) return this.#split(start, size);
      if (++tries === triesInClass) break;
    }
    for (let k = own + 1; k < this.#classes.length; k++) {
      for (const start of this.#classes[k] ?? []) return this.#split(start, size);
    }
    return undefined;
  }

  #split(start: number, size: number): number {
    const whole = this.#freeByStart.get(start)!;
    this.#removeFree(start, whole);
    if (whole > size) this.#addFree(start + size, whole - size);
    return start;
  }

  #extend(size: number): number {
    const lastFree = this.#freeByEnd.get(this.#end);
    const start = lastFree ?? this.#end;
    if (start + size > this.#limit || !this.#reserve(start + size)) {
      throw new UserError({
        expected: `room for ${megabytes(size)} more of kernel memory`,
        received: `${megabytes(this.#usedWords)} in use of at most ${megabytes(this.#limit)}`,
        remedy: "use a smaller batch, smaller images or a smaller net",
      });
    }
    if (lastFree !== undefined) this.#removeFree(lastFree, this.#end - lastFree);
    this.#end = start + size;
    return start;
  }

  #addFree(start: number, size: number): void {
    this.#freeByStart.set(start, size);
    this.#freeByEnd.set(start + size, start);
    const k = sizeClass(size);
    while (this.#classes.length <= k) this.#classes.push(new Set());
    this.#classes[k]!.add(start);
  }

  #removeFree(start: number, size: number): void {
    this.#freeByStart.delete(start);
    this.#freeByEnd.delete(start + size);
    this.#classes[sizeClass(size)]!.delete(start);
  }
}

/** Every block of a higher class is larger than every block of a lower one. */
function sizeClass(words: number): number {
  const lines = words / line;
  const power = 31 - Math.clz32(lines);
  return power < classBits
    ? lines
    : ((power - classBits + 1) << classBits) + ((lines >>> (power - classBits)) & (2 ** classBits - 1));
}

function roundUp(words: number): number {
  return Math.ceil(words / line) * line;
}

function megabytes(words: number): string {
  return `${(words / 2 ** 18).toFixed(1)} MiB`;
}
