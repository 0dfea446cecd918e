import { describe, expect, it } from "vitest";
import { compose } from "#repvgg/conv-algebra/compose.js";
import { concat } from "#repvgg/conv-algebra/concat.js";
import { identityMap, type LinearMap, settled, weightOf } from "#repvgg/conv-algebra/linear-map.js";
import { composedPads } from "#repvgg/conv-algebra/pad.js";
import { averagePoolMap } from "#repvgg/conv-algebra/pool.js";
import { scaledBy, sum } from "#repvgg/conv-algebra/sum.js";
import { Rng } from "#repvgg/core/rng.js";
import { accepted, randomMap } from "./naive.js";

const map = (kernel: number, pad = 0): LinearMap => {
  const geometry = { outChannels: 3, inChannels: 3, kernelSize: [kernel, kernel], pads: [pad, pad, pad, pad] } as const;
  return randomMap(new Rng(kernel), geometry, false);
};
const window = { kernelSize: [2, 2], stride: [1, 1], pads: [0, 0, 0, 0], dilation: [1, 1] };
const stored = map(3);
const composed = accepted(compose(map(1), stored));

describe("a kernel says how high its expression is, and whether its rows are dear apart from one another", () => {
  it.each<[string, LinearMap, boolean, number]>([
    ["a stored one", stored, false, 0],
    ["the identity", identityMap(3, 2), false, 0],
    ["an average", averagePoolMap(3, window), false, 0],
    ["a multiple", scaledBy(stored, 2), false, 1],
    ["a sum", accepted(sum([stored, stored])), false, 1],
    ["a sum of a multiple", accepted(sum([stored, scaledBy(stored, -1)])), false, 2],
    ["a composition", composed, true, 1],
    [
      "a composition of sums",
      accepted(compose(accepted(sum([map(1), map(1)])), accepted(sum([stored, stored])))),
      true,
      2,
    ],
    ["a multiple of a composition", scaledBy(composed, 2), true, 2],
    ["a sum with a composition", accepted(sum([stored, composed])), true, 2],
    ["a Concat", accepted(concat([stored, stored])), false, 1],
    ["a Concat with a composition", accepted(concat([composed, stored])), true, 2],
  ])("%s", (_, { kernel }, whole, depth) => {
    expect({ whole: kernel.whole, depth: kernel.depth }).toEqual({ whole, depth });
  });

  it("one that is 100 high is computed, a lower one is not", () => {
    let high = stored;
    for (let depth = 1; depth < 100; depth++) high = scaledBy(high, 1.01);
    expect(high.kernel.depth).toBe(99);
    expect(settled(high)).toBe(high);
    high = scaledBy(high, 1.01);
    const now = settled(high);
    expect([now.kernel.depth, now.kernel.whole]).toEqual([0, false]);
    expect(weightOf(now)).toEqual(weightOf(high));
  });
});

it("a composition of other numbers of axes is refused with both", () => {
  expect(compose(map(3), identityMap(3, 1))).toEqual({
    kind: "axes",
    refused: "a window of 2 spatial axes does not fit a value of 1",
  });
  expect(compose(identityMap(3, 1), map(3))).toEqual({
    kind: "axes",
    refused: "a window of 1 spatial axes does not fit a value of 2",
  });
});

it("pads of both maps add up at each side in the source's positions, by its axis' stride and upsampling", () => {
  const inner: LinearMap = { ...map(3), pads: [1, 2, 3, 4], stride: [2, 5] };
  expect(composedPads(inner, [5, 6, 7, 8], [2, 3])).toEqual([2 + 10, 6 + 30, 6 + 14, 12 + 40]);
  expect(composedPads(inner, [5, 6, 7, 8])).toEqual([1 + 10, 2 + 30, 3 + 14, 4 + 40]);
});
