import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { arenaAlignment, type Lifetime, placeBuffers } from "#repvgg/engine/plan/arena.js";

const lifetimes = fc.array(
  fc
    .record({ words: fc.integer({ min: 0, max: 5000 }), start: fc.integer({ min: -1, max: 30 }), length: fc.nat(12) })
    .map(({ words, start, length }): Lifetime => ({ words, start, end: start + length })),
  { maxLength: 40 },
);

const alignUp = (words: number): number => Math.ceil(words / arenaAlignment) * arenaAlignment;

describe("placeBuffers", () => {
  it("never overlaps buffers that live at the same time, and keeps to the alignment and the arena", () => {
    fc.assert(
      fc.property(lifetimes, (buffers) => {
        const { offsets, words } = placeBuffers(buffers);
        buffers.forEach((a, i) => {
          expect(offsets[i]! % arenaAlignment).toBe(0);
          expect(offsets[i]! + a.words).toBeLessThanOrEqual(words);
          buffers.slice(0, i).forEach((b, j) => {
            const together = a.start <= b.end && b.start <= a.end;
            const apart = offsets[i]! + a.words <= offsets[j]! || offsets[j]! + b.words <= offsets[i]!;
            if (together) expect(apart).toBe(true);
          });
        });
      }),
      { numRuns: 500 },
    );
  });

  it("needs no more than all buffers side by side and no less than those alive at once", () => {
    fc.assert(
      fc.property(lifetimes, (buffers) => {
        const { words } = placeBuffers(buffers);
        expect(words).toBeLessThanOrEqual(buffers.reduce((sum, b) => sum + alignUp(b.words), 0));
        for (let t = -1; t <= 42; t++) {
          const alive = buffers.filter((b) => b.start <= t && t <= b.end);
          expect(words).toBeGreaterThanOrEqual(alive.reduce((sum, b) => sum + b.words, 0));
        }
      }),
    );
  });

  it("needs two buffers for a chain of shrinking activations: the first two", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 4000 }), { minLength: 2, maxLength: 30 }), (sizes) => {
        const decreasing = sizes.toSorted((a, b) => b - a);
        const chain = decreasing.map((words, i): Lifetime => ({ words, start: i, end: i + 1 }));
        expect(placeBuffers(chain).words).toBe(alignUp(decreasing[0]!) + alignUp(decreasing[1]!));
      }),
    );
  });
});
