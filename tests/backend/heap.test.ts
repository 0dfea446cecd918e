import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Heap } from "#repvgg/backend/heap.js";
import { UserError } from "#repvgg/core/errors.js";

/** A heap over words [start, limit) whose memory grows without end. */
function heap(limit = 2 ** 30, start = 1000): { heap: Heap; end: () => number } {
  let end = 0;
  const reserve = (word: number): boolean => {
    end = Math.max(end, word);
    return true;
  };
  return { heap: new Heap(start, limit, reserve), end: () => end };
}

describe("Heap", () => {
  it("never overlaps, aligns to 64 bytes, counts, and ends in one free block", () => {
    const step = fc.oneof(
      fc.record({ allocate: fc.oneof(fc.nat(100), fc.nat(5000), fc.constant(1024), fc.constant(37_632)) }),
      fc.record({ free: fc.nat() }),
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 200 }), (steps) => {
        const { heap: h, end } = heap();
        const live: { start: number; words: number }[] = [];
        let used = 0;
        let peak = 0;
        const rounded = (words: number): number => Math.max(16, Math.ceil(words / 16) * 16);
        for (const s of steps) {
          if ("allocate" in s) {
            const start = h.allocate(s.allocate);
            expect(start % 16).toBe(0);
            expect(start).toBeGreaterThanOrEqual(1000);
            expect(start + s.allocate).toBeLessThanOrEqual(end());
            for (const other of live) {
              const apart = start + s.allocate <= other.start || other.start + other.words <= start;
              expect(apart, `[${start}, +${s.allocate}) overlaps [${other.start}, +${other.words})`).toBe(true);
            }
            live.push({ start, words: s.allocate });
            used += rounded(s.allocate);
          } else if (live.length > 0) {
            const [block] = live.splice(s.free % live.length, 1);
            h.free(block!.start);
            used -= rounded(block!.words);
          }
          peak = Math.max(peak, used);
          expect(h.usedWords).toBe(used);
          expect(h.peakWords).toBe(peak);
        }
        for (const block of live) h.free(block.start);
        expect(h.usedWords).toBe(0);
        // Everything has been merged again: all of it can be had at once, without growing.
        const before = end();
        if (before === 0) return;
        expect(h.allocate(before - 1008)).toBe(1008);
        expect(end()).toBe(before);
      }),
      { numRuns: 200 },
    );
  });

  it("gives a freed block to the next request of its size, so that steps of the same sizes do not grow", () => {
    const { heap: h, end } = heap();
    const sizes = [100, 5000, 16, 999, 70_000, 4096];
    const blocks = sizes.map((size) => h.allocate(size));
    const grown = end();
    for (let step = 0; step < 50; step++) {
      for (const block of blocks.splice(0)) h.free(block);
      blocks.push(...(step % 2 ? sizes : sizes.toReversed()).map((size) => h.allocate(size)));
    }
    expect(end()).toBe(grown);
  });

  it("grows only by what the last free block lacks", () => {
    const { heap: h, end } = heap();
    const first = h.allocate(1600);
    h.free(first);
    expect(h.allocate(3200)).toBe(first);
    expect(end()).toBe(first + 3200);
  });

  it("says clearly that memory is exhausted, and goes on", () => {
    const { heap: h } = heap(2 ** 20);
    const block = h.allocate(2 ** 19);
    expect(() => h.allocate(2 ** 19)).toThrow(UserError);
    expect(() => h.allocate(2 ** 19)).toThrow(/expected room for 2\.0 MiB more of kernel memory.*smaller batch/);
    h.free(block);
    expect(h.allocate(2 ** 19)).toBe(block);
    const refusing = new Heap(16, 2 ** 30, () => false);
    expect(() => refusing.allocate(1)).toThrow(UserError);
    expect(refusing.usedWords).toBe(0);
  });

  it("refuses what is a bug of its caller", () => {
    const { heap: h } = heap();
    const block = h.allocate(100);
    expect(() => h.free(block + 16)).toThrow(/no block/);
    h.free(block);
    expect(() => h.free(block)).toThrow(/no block/);
    expect(() => h.free(0)).toThrow(/no block/);
    for (const words of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => h.allocate(words)).toThrow(RangeError);
  });
});
