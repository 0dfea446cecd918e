import { nearest, UserError } from "../../core/errors.js";
import type { NamedArray, NamedArrays } from "../../core/named-arrays.js";
import { quoted } from "../../formats/array-bytes.js";
import { familyOf } from "./families.js";
import { namings, recognizes, type Scheme, translate } from "./namings.js";
import { equallyLikely, type Located, locate, type Prefix } from "./prefixes.js";

export type { Scheme } from "./namings.js";

/** The schemes that a file may use, in the order in which they win when several fit equally well. */
export const schemes: readonly Scheme[] = [
  "official",
  "timm",
  "mmpretrain",
  "repvggplus",
  "mobileone",
  "mobileone-timm",
  "repopt",
  "repopt-repvgg",
];

export interface OfficialNames {
  /** The scheme that the file uses. */
  readonly scheme: Scheme;
  /** By the authors' names (MobileOne: Apple's), in the order of the file. */
  readonly arrays: Map<string, NamedArray>;
  /** Of each official name the one in the file. */
  readonly origins: ReadonlyMap<string, string>;
  /** What stands before the net's names in the file. */
  readonly prefix: Prefix;
  /** Names that the scheme has not, as in the file; their arrays are left out. */
  readonly unmatched: readonly string[];
  /** Prefixes of other nets in the file that have the same weights, as an average has; their names are not in `unmatched`. */
  readonly copies: readonly string[];
}

/**
 * The scheme that most of the names belong to; undefined when none of them belongs to any.
 * Plain MobileOne and plain RepVGG have the same names in timm: there the 1×1 kernels decide, which RepVGG has not. A plain
 * RepVGG of RepOptimizers has no BatchNorm.
 */
export function detectScheme(arrays: NamedArrays): Scheme | undefined {
  const names = [...arrays.keys()];
  let best: Scheme | undefined;
  let bestCount = 0;
  for (const scheme of schemes) {
    const count = names.filter((name) => recognizes(scheme, name)).length;
    if (count > bestCount) [best, bestCount] = [scheme, count];
  }
  if (best === "timm" && hasPlainPointwise(arrays)) return "mobileone-timm";
  return best === "repopt" && !names.some((name) => name.endsWith(".bn.running_var")) ? "repopt-repvgg" : best;
}

/**
 * Weights by their official names, from whatever scheme they use, also where they stand behind a prefix (`encoder.`).
 * @throws UserError when the names belong to no scheme, or to two nets of which neither is an average.
 */
export function toOfficial(source: NamedArrays): OfficialNames {
  const [located, ...others] = locate(source, detectScheme, recognizes);
  if (located === undefined) {
    const names = [...source.keys()];
    throw new UserError({
      expected: "weight names of RepVGG (official, timm, mmpretrain), RepVGGplus or MobileOne",
      received: names.length === 0 ? "no weights" : `${names.slice(0, 3).map(quoted).join(", ")}${familyOf(names)}`,
      remedy: "for another net, export it to ONNX and fold that",
    });
  }
  const { scheme, prefix, names } = located;
  const arrays = new Map<string, NamedArray>();
  const origins = new Map<string, string>();
  const left = new Set(source.keys());
  for (const [name, own] of names) {
    const official = officialName(name, scheme)!;
    arrays.set(official, source.get(own)!);
    origins.set(official, own);
    left.delete(own);
  }
  const copies = others.filter((other) => isCopy(other, located, source, left));
  if (copies.some(({ prefix: { off } }) => equallyLikely(off, prefix.off))) {
    const both = [located, ...copies].map(({ prefix: { off } }) => quoted(off.replace(/\.$/, "")));
    throw new UserError({
      expected: "one net, or a key that says which",
      received: `nets under ${both.join(" and ")}`,
      remedy: `choose one with --key (key): ${both[0]!.replaceAll('"', "")}`,
    });
  }
  for (const copy of copies) for (const own of copy.names.values()) left.delete(own);
  return {
    ...{ scheme, arrays, origins, prefix },
    unmatched: [...left],
    copies: copies.map(({ prefix: { off } }) => off.replace(/\.$/, "")),
  };
}

/** Whether another net has the same weights by name and shape, none of them the first one's. */
function isCopy(other: Located, first: Located, source: NamedArrays, left: ReadonlySet<string>): boolean {
  return (
    other.scheme === first.scheme &&
    other.names.size === first.names.size &&
    [...other.names].every(([name, own]) => {
      const twin = first.names.get(name);
      return twin !== undefined && left.has(own) && sameShape(source.get(own)!, source.get(twin)!);
    })
  );
}

function sameShape(a: NamedArray, b: NamedArray): boolean {
  return a.shape.length === b.shape.length && a.shape.every((size, i) => size === b.shape[i]);
}

/**
 * Weights by the names of another library, from their official ones.
 * @throws UserError when the scheme has no name for one of them: nothing is left out silently.
 */
export function fromOfficial(source: NamedArrays, scheme: Scheme): Map<string, NamedArray> {
  const arrays = new Map<string, NamedArray>();
  for (const [official, array] of source) {
    const name =
      scheme === "repvggplus"
        ? recognizes(scheme, official)
          ? official
          : undefined
        : translate(official, namings[scheme].official, namings[scheme].naming);
    if (name === undefined) {
      throw new UserError({
        expected: `weights that have a name in the scheme ${scheme}`,
        received: quoted(official),
        remedy: `keep its own scheme, ${detectScheme(source) ?? "official"}`,
      });
    }
    arrays.set(name, array);
  }
  return arrays;
}

/** A scheme by its name. @throws UserError when there is none, with the nearest one. */
export function parseScheme(text: string): Scheme {
  const found = schemes.find((scheme) => scheme === text);
  if (found) return found;
  const near = nearest(text, schemes);
  throw new UserError({
    expected: `a naming scheme (${schemes.join(", ")})`,
    received: quoted(text),
    remedy: near ? `did you mean "${near}"?` : "give one of these",
  });
}

function officialName(name: string, scheme: Scheme): string | undefined {
  if (scheme === "repvggplus") return recognizes(scheme, name) ? name : undefined;
  return translate(name, namings[scheme].naming, namings[scheme].official);
}

function hasPlainPointwise(arrays: NamedArrays): boolean {
  for (const [name, { shape }] of arrays) if (name.endsWith(".reparam_conv.weight") && shape[2] === 1) return true;
  return false;
}
