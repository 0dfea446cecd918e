import type { NamedArray, NamedArrays } from "../../core/named-arrays.js";
import type { Scheme } from "./namings.js";

/** What stands before a net's names in a file, as `encoder.` before those of a net within another. */
export interface Prefix {
  /** Taken off. */
  readonly off: string;
  /** Put before in its place: mmpretrain's names begin with `backbone.`, which a backbone by itself leaves out. */
  readonly on: string;
}

/** How a file's names are those of a scheme behind a prefix. */
export interface Located {
  readonly scheme: Scheme;
  readonly prefix: Prefix;
  /** Of each name of the scheme, the one in the file. */
  readonly names: ReadonlyMap<string, string>;
}

/** Only a net's first blocks tell where its names begin. */
const anchor = /^(stage[01][._]|stem\.|stages\.0\.|backbone\.(stem|stage_1)\.)/;

/** A prefix has no more parts. */
const maxParts = 6;

/** Nets in one file; each costs a look at all names. */
const maxPrefixes = 16;

/** What cannot be a copy of an average that the reader wants first. */
const averaged = /ema|teacher|momentum|average|swa|shadow|target|_k\b|old|best/i;

/** What wrapping modules put before names: a classifier without it belongs to the same net. */
const wrapping = /^((module|_orig_mod|model|net|network)\.)*$/;

/**
 * Every place in a file's names where those of a scheme begin, the one with the most names first; of equally many, what is no
 * average first, then the shortest.
 * @param schemeOf the scheme that most of some names belong to
 * @param recognizes whether a scheme has a name
 */
export function locate(
  weights: NamedArrays,
  schemeOf: (weights: NamedArrays) => Scheme | undefined,
  recognizes: (scheme: Scheme, name: string) => boolean,
): Located[] {
  const found = candidates(weights).flatMap((prefix): Located[] => {
    const inside = stripped(weights, prefix);
    const scheme = schemeOf(new Map([...inside].map(([name, { array }]) => [name, array])));
    if (scheme === undefined) return [];
    const names = new Map([...inside].flatMap(([name, { own }]) => (recognizes(scheme, name) ? [[name, own]] : [])));
    return [{ scheme, prefix, names }];
  });
  const rank = ({ prefix, names }: Located): readonly number[] => [
    -names.size,
    Number(averaged.test(prefix.off)),
    Number(prefix.on !== ""),
    prefix.off.length,
  ];
  return found.sort((a, b) => compare(rank(a), rank(b)));
}

/** Whether nothing says which of two nets is meant: neither is the whole file's, and both are averages or neither is. */
export function equallyLikely(a: string, b: string): boolean {
  return averaged.test(a) === averaged.test(b) && !wrapping.test(a) && !wrapping.test(b);
}

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, i) => value !== b[i]);
  return at < 0 ? 0 : a[at]! - b[at]!;
}

function candidates(weights: NamedArrays): Prefix[] {
  const offs = new Set<string>([""]);
  for (const name of weights.keys()) {
    let at = 0;
    for (let part = 0; part < maxParts; part++) {
      if (anchor.test(name.slice(at, at + 40))) offs.add(name.slice(0, at));
      at = name.indexOf(".", at) + 1;
      if (at === 0) break;
    }
  }
  const names = [...weights.keys()];
  return [...offs].slice(0, maxPrefixes).flatMap((off) => {
    const bare = names.some(
      (name) => name.startsWith(off) && withOn(name.slice(off.length), "backbone.") !== name.slice(off.length),
    );
    return [{ off, on: "" }, ...(bare ? [{ off, on: "backbone." }] : [])];
  });
}

/** The names behind a prefix; behind one of wrapping modules also those without it, where that is no second one. */
function stripped(weights: NamedArrays, { off, on }: Prefix): Map<string, { own: string; array: NamedArray }> {
  const inside = new Map<string, { own: string; array: NamedArray }>();
  for (const [own, array] of weights) {
    if (own.startsWith(off)) inside.set(withOn(own.slice(off.length), on), { own, array });
  }
  if (!wrapping.test(off)) return inside;
  for (const [own, array] of weights) {
    const bare = own.replace(/^((module|_orig_mod|model)\.)+/, "");
    const name = withOn(bare, on);
    if (!inside.has(name)) inside.set(name, { own, array });
  }
  return inside;
}

function withOn(name: string, on: string): string {
  return /^(stem|stage_\d+)\./.test(name) ? on + name : name;
}
