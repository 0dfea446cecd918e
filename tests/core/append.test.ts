import { expect, test } from "vitest";
import { append } from "#repvgg/core/append.js";
import { f32 } from "#repvgg/core/named-arrays.js";
import { extremes } from "#repvgg/core/statistics.js";
import { readTorch } from "#repvgg/formats/torch/read.js";
import { writeTorch } from "#repvgg/formats/torch/write.js";
import { scaleOf } from "#repvgg/report/charts/scale.js";

const many = Array.from({ length: 1_000_000 }, (_, i) => i % 1000);

test("a million items are appended, and looked through, without running out of stack", () => {
  const target = [7];
  append(target, many);
  expect([target.length, target[0], target.at(-1)]).toEqual([1_000_001, 7, 999]);
  expect(extremes(many)).toEqual([0, 999]);
  expect(extremes([])).toEqual([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]);
});

test("so that charts of any number of points have a scale, and names of any length are written", () => {
  expect(scaleOf({ label: "" }, many, 100, 5).domain).toEqual([0, 1000]);
  expect(scaleOf({ label: "", scale: "log" }, many, 100, 5).domain).toEqual([1, 1000]);
  const name = "x".repeat(300_000);
  expect([...(readTorch(writeTorch(new Map([[name, f32([1])]]))) as Map<string, unknown>).keys()]).toEqual([name]);
});
