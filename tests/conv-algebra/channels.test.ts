import { describe, expect, it } from "vitest";
import { affine, applyAffine } from "#repvgg/conv-algebra/affine.js";
import { ofWholeSource, sliceChannels } from "#repvgg/conv-algebra/channels.js";
import { compose } from "#repvgg/conv-algebra/compose.js";
import { concat } from "#repvgg/conv-algebra/concat.js";
import { identityMap, type LinearMap, weightOf, writeWeight } from "#repvgg/conv-algebra/linear-map.js";
import { sum } from "#repvgg/conv-algebra/sum.js";
import { Rng } from "#repvgg/core/rng.js";
import { accepted, applyMap, distance, type Picture, randomMap, randomPicture } from "./naive.js";

const close = 1e-10;
const same = { pads: [1, 1, 1, 1] as const, kernelSize: [3, 3] as const };

const channelsOf = (x: Picture, first: number, last: number): Picture => ({
  ...x,
  channels: last - first,
  at: (c, y, z) => x.at(first + c, y, z),
});

const stacked = (parts: readonly Picture[]): Picture => ({
  ...parts[0]!,
  channels: parts.reduce((total, { channels }) => total + channels, 0),
  at: (c, y, z) => {
    let at = c;
    const part = parts.find(({ channels }) => {
      if (at < channels) return true;
      at -= channels;
      return false;
    })!;
    return part.at(at, y, z);
  },
});

/** Checks a map against a picture, as it is, with zeros for the channels that it does not read, and written by rows. */
function expectGives(map: LinearMap, x: Picture, wanted: Picture): void {
  expect(distance(applyMap(map, x), wanted)).toBeLessThan(close);
  const whole = ofWholeSource(map);
  expect(whole).toMatchObject({ inChannels: x.channels, firstChannel: 0 });
  expect(distance(applyMap(whole, x), wanted)).toBeLessThan(close);
  const weight = weightOf(whole);
  const [first, last] = [1, Math.max(2, map.outChannels - 1)];
  const row = weight.length / map.outChannels;
  const written = new Float64Array((last - first) * row);
  if (last <= map.outChannels) {
    writeWeight(whole, written, [first, last]);
    expect(written).toEqual(weight.slice(first * row, last * row));
  }
}

describe("channels of a map", () => {
  const rng = new Rng(1);
  const x = randomPicture(rng, 8, 5, 4);

  it.each([1, 2, 4, 8])(
    "of %i groups: any range is rows of its kernel; whole groups read their own channels only",
    (groups) => {
      const map = randomMap(rng, { outChannels: 8, inChannels: 8, groups, ...same });
      for (let first = 0; first < 8; first++) {
        for (let last = first + 1; last <= 8; last++) {
          const part = sliceChannels(map, first, last);
          expectGives(part, x, channelsOf(applyMap(map, x), first, last));
          const perGroup = 8 / groups;
          const whole = first % perGroup === 0 && last % perGroup === 0;
          if (whole)
            expect(part).toMatchObject({
              groups: (last - first) / perGroup,
              firstChannel: first,
              inChannels: last - first,
            });
        }
      }
    },
  );

  it("of a scaled sum, of the identity, of a slice", () => {
    const scaled = applyAffine(
      accepted(sum([randomMap(rng, { outChannels: 8, inChannels: 8, groups: 2, ...same }), identityMap(8)])),
      affine(8, { scale: [1, 2, 3, 4, 5, 6, 7, 8], shift: [8, 7, 6, 5, 4, 3, 2, 1] }),
    );
    expectGives(sliceChannels(scaled, 3, 7), x, channelsOf(applyMap(scaled, x), 3, 7));
    expectGives(sliceChannels(sliceChannels(scaled, 2, 8), 2, 6), x, channelsOf(applyMap(scaled, x), 4, 8));
    const part = sliceChannels(identityMap(8), 2, 6);
    expect(part).toMatchObject({ groups: 4, firstChannel: 2, inChannels: 4, sourceChannels: 8 });
    expectGives(part, x, channelsOf(x, 2, 6));
    expect(sliceChannels(scaled, 0, 8)).toBe(scaled);
  });

  it("as the source of a convolution", () => {
    const outer = randomMap(rng, { outChannels: 6, inChannels: 4, groups: 2, ...same });
    for (const inner of [
      identityMap(8),
      randomMap(rng, { outChannels: 8, inChannels: 8, groups: 4, kernelSize: [1, 1] }, false),
    ]) {
      const composed = accepted(compose(outer, sliceChannels(inner, 2, 6)));
      expect(composed).toMatchObject({ firstChannel: 2, inChannels: 4, groups: 2 });
      expectGives(composed, x, applyMap(outer, channelsOf(applyMap(inner, x), 2, 6)));
    }
  });
});

describe("maps of parts of one source", () => {
  const rng = new Rng(2);
  const x = randomPicture(rng, 8, 4, 5);
  const of = (first: number, last: number, outChannels: number, groups = 1): [LinearMap, Picture] => {
    const map = randomMap(rng, { outChannels, inChannels: last - first, groups, ...same });
    return [
      accepted(compose(map, sliceChannels(identityMap(8), first, last))),
      applyMap(map, channelsOf(x, first, last)),
    ];
  };

  it.each<[string, readonly (readonly [number, number, number, number?])[], number]>([
    [
      "halves",
      [
        [0, 4, 4],
        [4, 8, 4],
      ],
      2,
    ],
    [
      "halves that widen",
      [
        [0, 4, 8],
        [4, 8, 8],
      ],
      2,
    ],
    [
      "halves of groups",
      [
        [0, 4, 4, 2],
        [4, 8, 4, 4],
      ],
      4,
    ],
    [
      "unequal parts of the same groups",
      [
        [0, 2, 2, 1],
        [2, 8, 6, 3],
      ],
      4,
    ],
    [
      "parts that change their width unequally",
      [
        [0, 4, 4],
        [4, 8, 8],
      ],
      1,
    ],
    [
      "parts in another order",
      [
        [4, 8, 4],
        [0, 4, 4],
      ],
      1,
    ],
    [
      "parts that overlap",
      [
        [0, 4, 4],
        [2, 6, 4],
      ],
      1,
    ],
    [
      "a wide part between narrow ones",
      [
        [0, 2, 2, 2],
        [2, 6, 4],
        [6, 8, 2, 2],
      ],
      1,
    ],
    [
      "parts with a gap",
      [
        [0, 4, 4],
        [6, 8, 2],
      ],
      1,
    ],
    [
      "neighbours that are not all",
      [
        [2, 4, 2],
        [4, 6, 2],
      ],
      2,
    ],
  ])("joined, %s: a kernel of as many groups as they leave", (_, parts, groups) => {
    const made = parts.map(([first, last, out, own]) => of(first, last, out, own));
    const joined = accepted(concat(made.map(([map]) => map)));
    expect(joined.groups).toBe(groups);
    expectGives(joined, x, stacked(made.map(([, picture]) => picture)));
  });

  it("added: a dense kernel over all channels between", () => {
    const [[a, pa], [b, pb]] = [of(0, 2, 6), of(4, 8, 6)];
    const added = accepted(sum([a, b]));
    expect(added).toMatchObject({ firstChannel: 0, inChannels: 8, groups: 1 });
    expectGives(added, x, { ...pa, at: (c, y, z) => pa.at(c, y, z) + pb.at(c, y, z) });
    const [[c, pc], [d, pd]] = [of(2, 6, 4, 4), of(2, 6, 4, 2)];
    expect(accepted(sum([c, d]))).toMatchObject({ firstChannel: 2, inChannels: 4, groups: 2 });
    expectGives(accepted(sum([c, d])), x, { ...pc, at: (o, y, z) => pc.at(o, y, z) + pd.at(o, y, z) });
  });
});
