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
