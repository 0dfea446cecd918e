import sharp, { type Sharp } from "sharp";
import { beforeAll, describe, expect, it } from "vitest";
import { rngFor } from "#repvgg/core/rng.js";
import type { Dataset, Image } from "#repvgg/data/dataset.js";
import { decodeImage } from "#repvgg/data/decode.node.js";
import { flipHorizontal } from "#repvgg/data/image.js";
import { openDataset } from "#repvgg/data/open-dataset.node.js";
import { fingerprint, likeness, normalized } from "#repvgg/survey/fingerprint.js";
import { type Candidate, type NearPair, nearDuplicates } from "#repvgg/survey/near-duplicates.js";
import { uniform, wavesAndNoise } from "./pictures.js";

/** The definition, pair by pair. */
function naive(pictures: readonly Candidate[]): NearPair[] {
  const bits = ([low, high]: readonly [number, number]): string =>
    [low, high].map((word) => (word >>> 0).toString(2).padStart(32, "0")).join("");
  const alike = (a: Candidate, b: Candidate): number => likeness(a.fingerprint.thumbnail, b.fingerprint.thumbnail);
  const spread = (label: number): number => {
    const own = pictures.filter((picture) => picture.label === label);
    const pairs = own.flatMap((a, i) => own.slice(i + 1).map((b) => 1 - alike(a, b)));
    return pairs.length === 0 ? 1 : Math.max(0.1, pairs.reduce((x, y) => x + y) / pairs.length);
  };
  const spreads = [...Array(10).keys()].map(spread);
  const hashes = pictures.map((picture) => bits(picture.fingerprint.hash));
  return pictures.flatMap((a, first) =>
    pictures.flatMap((b, second) => {
      if (second <= first) return [];
      const different = [...hashes[first]!].filter((bit, i) => bit !== hashes[second]![i]).length;
      const same = alike(a, b);
      const near = different <= 4 && 1 - same <= 0.01 * Math.min(spreads[a.label]!, spreads[b.label]!);
      return near ? [{ first, second, likeness: same }] : [];
    }),
  );
}

type Way = (picture: Sharp) => Sharp;
const ways: Record<string, Way> = {
  "compressed again": (picture) => picture.jpeg({ quality: 80 }),
  smaller: (picture) => picture.resize(24, 24).png(),
  brighter: (picture) => picture.linear(1.1, 8).jpeg({ quality: 85 }),
  "with another gamma": (picture) => picture.gamma(1.4).png(),
};

async function changed({ data, width, height, channels }: Image, way: Way): Promise<Image> {
  return decodeImage(await way(sharp(data, { raw: { width, height, channels } })).toBuffer());
}

describe("nearDuplicates", () => {
  let fashion: Dataset;
  let originals: Candidate[];
  const count = 600;

  beforeAll(async () => {
    fashion = await openDataset("fashion-mnist-subset", "test");
    originals = await Promise.all(
      Array.from({ length: count }, async (_, i) => ({
        fingerprint: fingerprint(await fashion.read(i)),
        label: fashion.label(i),
      })),
    );
  });

  it("finds nothing among different pictures, though many look much alike", () => {
    expect(nearDuplicates(originals)).toEqual([]);
  });

  it.each(Object.entries(ways))("finds pictures that are %s, and no others", async (_, way) => {
    const copies = await Promise.all(
      Array.from({ length: 40 }, async (_, i) => ({
        fingerprint: fingerprint(await changed(await fashion.read(i), way)),
        label: fashion.label(i),
      })),
    );
    const pairs = nearDuplicates([...originals, ...copies]);
    expect(pairs.filter(({ first, second }) => second !== first + count)).toEqual([]);
    expect(pairs.length).toBeGreaterThanOrEqual(30);
  });

  it("finds exactly what comparing every picture with every other finds", async () => {
    const way: Way = (picture) => picture.jpeg({ quality: 50 });
    const copies = await Promise.all(
      Array.from({ length: 100 }, async (_, i) => ({
        fingerprint: fingerprint(await changed(await fashion.read(i), way)),
        label: (fashion.label(i) + (i % 3 === 0 ? 1 : 0)) % 10,
      })),
    );
    const pictures = [...originals.slice(0, 250), ...copies];
    const expected = naive(pictures);
    expect(expected.length).toBeGreaterThan(40);
    const close = (pairs: readonly NearPair[]) =>
      pairs.map(({ likeness: value, ...places }) => ({ ...places, likeness: expect.closeTo(value, 9) }));
    expect(nearDuplicates(pictures)).toEqual(close(expected));
  });

  /** A thumbnail of waves of which the first `changed` values differ; the hash is given. */
  const made = (kind: number, changed: number, hash: readonly [number, number], label: number): Candidate => {
    const rng = rngFor(3, kind);
    const thumbnail = Uint8Array.from({ length: 256 }, () => 60 + rng.int(120));
    for (let i = 0; i < changed; i++) thumbnail[i] = 255 - thumbnail[i]!;
    return { fingerprint: { thumbnail, hash }, label };
  };

  it("asks of a pair across classes that it is close by the looks of both, in either order", () => {
    // Class 1 holds many looks, class 0 hardly different ones: what is alike in the one is not in the other.
    const many = Array.from({ length: 20 }, (_, i) => made(100 + i, 0, [i << 8, i << 20], 1));
    const alike = Array.from({ length: 20 }, (_, i) => made(1, i, [0x0f0f0f0f, -(i + 1) << 9], 0));
    const apart = (kind: number): number =>
      1 - likeness(made(kind, 0, [0, 0], 0).fingerprint.thumbnail, made(kind, 1, [0, 0], 0).fingerprint.thumbnail);
    const kinds = Array.from({ length: 400 }, (_, i) => 500 + i).filter((k) => apart(k) > 0.004 && apart(k) < 0.007);
    const [across, inside] = kinds as [number, number];
    const pair = [made(across, 0, [1, 2], 0), made(across, 1, [1, 2], 1)];
    const within = [made(inside, 0, [-1, 7], 1), made(inside, 1, [-1, 7], 1)];
    // A class of two pictures that are alike: they are as near as its pictures are on average, and so no copies.
    const two = [made(kinds[2]!, 0, [77, 7], 2), made(kinds[2]!, 1, [77, 7], 2)];
    for (const order of [pair, pair.toReversed()]) {
      const pictures = [...order, ...within, ...many, ...alike, ...two];
      const expected = naive(pictures);
      const found = nearDuplicates(pictures);
      expect(found.map(({ first, second }) => [first, second])).toEqual(
        expected.map(({ first, second }) => [first, second]),
      );
      expect(found.some(({ first, second }) => first === 2 && second === 3)).toBe(true);
      expect(found.some(({ first, second }) => first === 0 && second === 1)).toBe(false);
    }
  });

  it("finds a pair whose hashes differ in any 4 of their 64 bits, and none whose do in 5", () => {
    const others = Array.from({ length: 30 }, (_, i) => {
      const rng = rngFor(9, i);
      return made(200 + i, 0, [rng.nextUint32() | 0, rng.nextUint32() | 0], 0);
    });
    const flipped = ([low, high]: readonly [number, number], bits: readonly number[]): [number, number] => {
      const words: [number, number] = [low, high];
      for (const bit of bits) words[bit >> 5]! ^= 1 << (bit & 31);
      return words;
    };
    for (let seed = 0; seed < 60; seed++) {
      const rng = rngFor(10, seed);
      const bits = rng.shuffle(Array.from({ length: 64 }, (_, i) => i));
      const hash: [number, number] = [rng.nextUint32() | 0, rng.nextUint32() | 0];
      const pictures = (count: number) => [
        made(60, 0, hash, 0),
        ...others,
        made(60, 1, flipped(hash, bits.slice(0, count)), 0),
      ];
      for (const count of [0, 1, 4]) {
        expect(nearDuplicates(pictures(count)).map(({ first, second }) => [first, second])).toEqual([[0, 31]]);
      }
      expect(nearDuplicates(pictures(5))).toEqual([]);
    }
  });

  it("deals out the bits that vary, so that those that hardly do make no crowd of strangers", () => {
    // Only every fifth bit varies; a copy differs in the last of them, which puts it far away in the order of the hashes.
    const varied = (rng: ReturnType<typeof rngFor>): [number, number] => {
      const words: [number, number] = [0, 0];
      for (let bit = 0; bit < 64; bit += 5) if (rng.next() < 0.5) words[bit >> 5]! |= 1 << (bit & 31);
      return words;
    };
    const others = Array.from({ length: 500 }, (_, i) => made(1000 + i, 0, varied(rngFor(12, i)), 0));
    for (let seed = 0; seed < 5; seed++) {
      const hash = varied(rngFor(13, seed));
      const copy: [number, number] = [hash[0], hash[1] ^ (1 << (60 - 32))];
      const pictures = [made(2000 + seed, 0, hash, 0), ...others, made(2000 + seed, 0, copy, 0)];
      expect(nearDuplicates(pictures).map(({ first, second }) => [first, second])).toEqual([[0, 501]]);
    }
  });

  it("looks in a crowded bucket at the 100 that follow in the order of the hashes", () => {
    // All share all bands but one bit of rank, so that the order is known; each looks like the one that is 100 after it.
    const crowd = (apart: number): Candidate[] => Array.from({ length: 140 }, (_, i) => made(i % apart, 0, [0, 0], 0));
    expect(nearDuplicates(crowd(100)).length).toBe(40);
    expect(nearDuplicates(crowd(101)).length).toBe(0);
  });

  it("takes pictures of one grey for nothing, and needs no pictures", () => {
    const grey = [10, 200].map((value) => ({ fingerprint: fingerprint(uniform(20, 20, 3, value)), label: 0 }));
    expect(nearDuplicates(grey)).toEqual([]);
    expect(nearDuplicates([])).toEqual([]);
  });
});

describe("fingerprint", () => {
  it("has a bit for each place that is darker than its right neighbour", () => {
    const ramp = { width: 36, height: 32, channels: 1 as const, data: new Uint8Array(36 * 32) };
    for (let i = 0; i < ramp.data.length; i++) ramp.data[i] = i % 36 < 18 ? (i % 36) * 12 : (35 - (i % 36)) * 12;
    const { hash } = fingerprint(ramp);
    expect(hash.map((word) => (word >>> 0).toString(16))).toEqual(["f0f0f0f", "f0f0f0f"]);
  });

  it("compares whatever the brightness", () => {
    const image = wavesAndNoise(40, 30, 3, 1);
    const darker = { ...image, data: image.data.map((x) => x >> 1) };
    const [a, b] = [fingerprint(image).thumbnail, fingerprint(darker).thumbnail];
    expect(likeness(a, b)).toBeGreaterThan(0.999);
    const [x, y] = [normalized(a), normalized(b)];
    expect(x.reduce((sum, value, i) => sum + value * y[i]!, 0)).toBeCloseTo(likeness(a, b), 9);
    expect(likeness(a, fingerprint(flipHorizontal(image)).thumbnail)).toBeLessThan(0.9);
  });
});
