import { describe, expect, it } from "vitest";
import { foldsOfClasses, stratifiedFolds } from "#repvgg/data/folds.js";
import { memoryDataset } from "#repvgg/data/memory-dataset.js";
import { findAlike } from "#repvgg/survey/alike.node.js";
import { memoryPictures, wavesAndNoise } from "./pictures.js";

/** Pictures of one pixel with these labels. */
function labelled(labels: readonly number[]) {
  const classNames = Array.from({ length: Math.max(...labels) + 1 }, (_, c) => `c${c}`);
  const pixels = new Uint8Array(labels.length);
  return memoryDataset({ name: "set", classNames, channels: 1, height: 1, width: 1, pixels, labels });
}

const many = (counts: readonly number[]): number[] =>
  counts.flatMap((count, label) => new Array<number>(count).fill(label));

describe("stratified folds", () => {
  it.each([
    [[10, 10, 10], 5],
    [[7, 13, 4], 3],
    [[2, 9, 31], 4],
    [[3, 2], 5],
  ])("of %j pictures in %i: each class and the whole are dealt out evenly", (counts, folds) => {
    const set = labelled(many(counts));
    const foldOf = stratifiedFolds(set, folds, 7);
    const sizes = Array.from({ length: folds }, (_, fold) => foldOf.filter((of) => of === fold).length);
    expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
    counts.forEach((count, label) => {
      const own = sizes.map((_, fold) => foldOf.filter((of, i) => of === fold && set.label(i) === label).length);
      expect(own.reduce((a, b) => a + b)).toBe(count);
      expect(Math.max(...own) - Math.min(...own)).toBeLessThanOrEqual(1);
      expect(foldsOfClasses(set, foldOf)[label]!.size).toBe(Math.min(count, folds));
    });
  });

  it("are the same for the same seed, and others for another", () => {
    const set = labelled(many([20, 20]));
    expect(stratifiedFolds(set, 4, 1)).toEqual(stratifiedFolds(set, 4, 1));
    expect(stratifiedFolds(set, 4, 1)).not.toEqual(stratifiedFolds(set, 4, 2));
  });

  it("keep groups together", () => {
    const set = labelled(many([12, 12]));
    const together = [
      [0, 1, 2, 3],
      [5, 20],
      [13, 14],
    ];
    const foldOf = stratifiedFolds(set, 3, 0, together);
    for (const group of together) expect(new Set(group.map((i) => foldOf[i])).size).toBe(1);
    const sizes = [0, 1, 2].map((fold) => foldOf.filter((of) => of === fold).length);
    expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(2);
  });

  it("refuse what cannot be dealt out, in one line", () => {
    const set = labelled(many([6, 1]));
    for (const folds of [1, 0, 8, 2.5, Number.NaN]) {
      expect(() => stratifiedFolds(set, folds, 0)).toThrow(/^expected a number of folds from 2 to 7.*received/);
    }
    expect(() => stratifiedFolds(set, 3, 0)).toThrow(/class "c1".*received one picture: add pictures/);
    const alike = [[6, 7, 8]];
    expect(() => stratifiedFolds(labelled(many([6, 3])), 3, 0, alike)).toThrow(/c1.*3 that look the same/);
  });
});

describe("groups of look-alikes", () => {
  it("are found also by way of others, and single pictures are none", async () => {
    const side = 24;
    const originals = [1, 2, 3, 4].map((seed) =>
      wavesAndNoise(side, side, 1, seed).data.map((x, i) => (x + seed * 37 * (i % 5)) & 255),
    );
    const brighter = (data: Uint8Array, by: number) => data.map((x) => Math.min(255, Math.floor(x * 0.8) + by));
    const shown = [
      originals[0]!,
      originals[1]!,
      brighter(originals[0]!, 9),
      originals[2]!,
      brighter(originals[0]!, 20),
    ];
    const set = memoryDataset({
      ...{ name: "set", classNames: ["a", "b"], channels: 1, height: side, width: side, labels: [0, 1, 0, 1, 0] },
      pixels: Uint8Array.from(shown.flatMap((data) => [...data])),
    });
    expect((await findAlike(set)).groups).toEqual([[0, 2, 4]]);
    expect((await findAlike(memoryPictures(2))).groups).toEqual([]);
  });
});
