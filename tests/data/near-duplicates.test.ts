import sharp, { type Sharp } from "sharp";
import { beforeAll, describe, expect, it } from "vitest";
import type { Dataset, Image } from "#repvgg/data/dataset.js";
import { decodeImage } from "#repvgg/data/decode.node.js";
import { fingerprint, likeness, normalized } from "#repvgg/data/fingerprint.js";
import { flipHorizontal } from "#repvgg/data/image.js";
import { type Candidate, type NearPair, nearDuplicates } from "#repvgg/data/near-duplicates.js";
import { openDataset } from "#repvgg/data/open-dataset.node.js";
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
