import { expect, it } from "vitest";
import { ClassificationMetrics } from "#repvgg/train/metrics.js";

it("counts top-1, top-5, loss and confusion", () => {
  const metrics = new ClassificationMetrics(7);
  metrics.add([0, 1, 2, 3, 4, 5, 6], 6); // right
  metrics.add([0, 1, 2, 3, 4, 5, 6], 2); // fifth
  metrics.add([0, 1, 2, 3, 4, 5, 6], 1); // sixth
  metrics.add([0, 0, 0, 0, 0, 0, 0], 1); // a tie is not an answer: the first class counts
  expect(metrics.count).toBe(4);
  expect(metrics.top1).toBe(0.25);
  expect(metrics.top5).toBe(0.75);
  const logSum = Math.log([0, 1, 2, 3, 4, 5, 6].reduce((sum, x) => sum + Math.exp(x), 0));
  expect(metrics.loss).toBeCloseTo((3 * logSum - 9 + Math.log(7)) / 4, 12);
  expect(metrics.confusion[6 * 7 + 6]).toBe(1);
  expect(metrics.confusion[2 * 7 + 6]).toBe(1);
  expect(metrics.confusion[1 * 7 + 0]).toBe(1);
  expect(metrics.perClass[6]).toBe(1);
  expect(metrics.perClass[1]).toBe(0);
  expect(metrics.perClass[0]).toBeNaN();
});

it("counts every class that has pictures the same in the balanced accuracy", () => {
  const metrics = new ClassificationMetrics(4);
  for (let i = 0; i < 8; i++) metrics.add([1, 0, 0, 0], 0);
  metrics.add([1, 0, 0, 0], 1);
  metrics.add([0, 0, 1, 0], 2);
  metrics.add([1, 0, 0, 0], 2);
  expect(metrics.balancedAccuracy).toBeCloseTo((1 + 0 + 1 / 2) / 3, 12);
  expect(metrics.top1).toBeCloseTo(9 / 11, 12);
});

it("keeps the mistakes of which the net was surest, with the pictures' indices", () => {
  const metrics = new ClassificationMetrics(2);
  for (let i = 0; i < 60; i++) metrics.add([0, (i * 7) % 30], i % 2, 100 + i);
  const wrong = Array.from({ length: 60 }, (_, i) => ({ index: 100 + i, logit: (i * 7) % 30 })).filter(
    ({ index, logit }) => index % 2 === 0 && logit > 0,
  );
  const expected = wrong.sort((a, b) => b.logit - a.logit || a.index - b.index).slice(0, 24);
  expect(metrics.mistakes.slice(0, 5).map(({ index }) => index)).toEqual(
    expected.slice(0, 5).map(({ index }) => index),
  );
  expect(metrics.mistakes).toHaveLength(24);
  const { probability, truthProbability, truth, predicted } = metrics.mistakes[0]!;
  expect([truth, predicted, probability + truthProbability]).toEqual([0, 1, expect.closeTo(1, 12)]);
  expect(probability).toBeCloseTo(1 / (1 + Math.exp(-expected[0]!.logit)), 12);
});

it("of equal logits the first classes come first, for top-5 too", () => {
  for (let label = 0; label < 7; label++) {
    const metrics = new ClassificationMetrics(7);
    metrics.add([1, 1, 1, 1, 1, 1, 1], label);
    expect([metrics.top1, metrics.top5]).toEqual([label === 0 ? 1 : 0, label < 5 ? 1 : 0]);
    expect(metrics.loss).toBeCloseTo(Math.log(7), 12);
  }
});

it("is not harmed by large logits, and counts the picture by its place where no index is given", () => {
  const metrics = new ClassificationMetrics(3);
  metrics.add([1e4, 0, -1e4], 0);
  metrics.add([-1e4, -1e4 - 1, -1e4 - 2], 1);
  metrics.add([5, 4, 1], 2);
  expect(metrics.loss).toBeCloseTo(
    (0 + 1 + 4 + Math.log(1 + Math.exp(-1) + Math.exp(-2)) + Math.log(1 + Math.exp(-1) + Math.exp(-4))) / 3,
    9,
  );
  expect(metrics.mistakes.map(({ index, truth, predicted }) => [index, truth, predicted])).toEqual([
    [2, 2, 0],
    [1, 1, 0],
  ]);
  expect(metrics.mistakes[0]!.truthProbability).toBeCloseTo(Math.exp(-4) / (1 + Math.exp(-1) + Math.exp(-4)), 12);
  expect([...metrics.confusion]).toEqual([1, 0, 0, 1, 0, 0, 1, 0, 0]);
});

it("looks at its classes' logits and no further", () => {
  const metrics = new ClassificationMetrics(2);
  metrics.add([0, 1, 100], 1);
  expect([metrics.top1, metrics.top5]).toEqual([1, 1]);
  expect(metrics.loss).toBeCloseTo(Math.log(1 + Math.exp(-1)), 12);
  expect([...metrics.confusion]).toEqual([0, 0, 0, 1]);
});
