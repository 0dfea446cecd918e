import { type Fingerprint, likeness, normalized } from "./fingerprint.js";

/** A picture to compare with others. */
export interface Candidate {
  readonly fingerprint: Fingerprint;
  readonly label: number;
}

/** Two pictures that look the same, by their places in the list; the first has the smaller. */
export interface NearPair {
  readonly first: number;
  readonly second: number;
  /** Correlation, below or equal to 1. */
  readonly likeness: number;
}

/** Bits in which the hashes of a pair may differ. */
const maxDistance = 4;

/** In how many pictures of one bucket, next to each in the order of hashes, copies of it are looked for. */
const window = 100;

/** A pair's squared distance, as a part of the mean one of two pictures of the class. */
const closeness = 0.01;

/** However alike the pictures of a class are, they count as at least this far apart on average. */
const leastSpread = 0.1;

/**
 * Pictures that are the same but for compression, size, brightness or contrast. Two of them have hashes that differ in at most 4
 * of 64 bits, so of 5 bands of bits one at least is equal in both: pictures meet in the bucket of that band, and only there
 * are they compared; of a crowded bucket, with the 100 that follow in the order of the hashes. So the work grows in proportion
 * to the number of pictures.
 *
 * What is alike depends on the data: two pairs of trousers on black differ less than two photographs. A pair counts where its
 * squared distance (1 − correlation) is at most a hundredth of the mean one between two pictures of their class.
 */
export function nearDuplicates(pictures: readonly Candidate[]): NearPair[] {
  const spreads = classSpreads(pictures);
  const [low, high] = [0, 1].map((word) => Int32Array.from(pictures, ({ fingerprint }) => fingerprint.hash[word]!)) as [
    Int32Array,
    Int32Array,
  ];
  const found = new Map<number, NearPair>();
  const compare = (a: number, b: number): void => {
    const alike = likeness(pictures[a]!.fingerprint.thumbnail, pictures[b]!.fingerprint.thumbnail);
    const spread = Math.min(spreads.get(pictures[a]!.label)!, spreads.get(pictures[b]!.label)!);
    if (1 - alike > closeness * spread) return;
    const [first, second] = [Math.min(a, b), Math.max(a, b)];
    found.set(first * pictures.length + second, { first, second, likeness: alike });
  };
  for (const keys of bandKeys(low, high)) {
    for (const bucket of buckets(keys, low, high)) {
      for (let i = 0; i < bucket.length; i++) {
        const a = bucket[i]!;
        const end = Math.min(bucket.length, i + 1 + window);
        for (let j = i + 1; j < end; j++) {
          const b = bucket[j]!;
          if (bitCount(low[a]! ^ low[b]!) + bitCount(high[a]! ^ high[b]!) <= maxDistance) compare(a, b);
        }
      }
    }
  }
  return [...found.values()].sort((x, y) => x.first - y.first || x.second - y.second);
}

/** Mean squared distance (as 1 − correlation) between two different pictures of each class. */
function classSpreads(pictures: readonly Candidate[]): Map<number, number> {
  const classes = new Map<number, { count: number; sum: Float64Array }>();
  for (const { fingerprint, label } of pictures) {
    const looks = normalized(fingerprint.thumbnail);
    const entry = classes.get(label) ?? { count: 0, sum: new Float64Array(looks.length) };
    classes.set(label, entry);
    entry.count++;
    looks.forEach((x, i) => {
      entry.sum[i]! += x;
    });
  }
  return new Map(
    [...classes].map(([label, { count, sum }]) => {
      // |Σ x|² = Σ |x|² + Σ over pairs x·y, and |x|² = 1.
      const meanLikeness = count < 2 ? 0 : (sum.reduce((s, x) => s + x * x, 0) - count) / (count * (count - 1));
      return [label, Math.max(leastSpread, 1 - meanLikeness)];
    }),
  );
}

/** [band][picture]: the hash's bits of each band as a number. Bits that vary much and little are dealt out evenly. */
function bandKeys(low: Int32Array, high: Int32Array): Int32Array[] {
  const words = [low, high];
  const bit = (picture: number, at: number): number => (words[at >> 5]![picture]! >>> (at & 31)) & 1;
  const evenness = Array.from({ length: 64 }, (_, at) => {
    let set = 0;
    for (let i = 0; i < low.length; i++) set += bit(i, at);
    return Math.abs(set / Math.max(1, low.length) - 0.5);
  });
  const order = Array.from({ length: 64 }, (_, at) => at).sort((a, b) => evenness[a]! - evenness[b]! || a - b);
  return Array.from({ length: maxDistance + 1 }, (_, band) => {
    const bits = order.filter((_, i) => i % (maxDistance + 1) === band);
    return low.map((_, picture) => bits.reduce((key, at) => key * 2 + bit(picture, at), 0));
  });
}

/** Pictures of one key, in the order of their hashes, where there are several. */
function buckets(keys: Int32Array, low: Int32Array, high: Int32Array): number[][] {
  const byKey = new Map<number, number[]>();
  keys.forEach((key, i) => {
    const bucket = byKey.get(key);
    if (bucket) bucket.push(i);
    else byKey.set(key, [i]);
  });
  const several = [...byKey.values()].filter(({ length }) => length > 1);
  return several.map((bucket) => bucket.sort((a, b) => high[a]! - high[b]! || low[a]! - low[b]! || a - b));
}

/** Bits that are set in a word of 32: sums of ever wider fields. */
function bitCount(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555);
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
