import { nearest, UserError } from "../../core/errors.js";
import type { NamedArray, NamedArrays } from "../../core/named-arrays.js";
import { quoted } from "../array-bytes.js";
import { namings, recognizes, type Scheme, translate } from "./namings.js";

export type { Scheme } from "./namings.js";

/** The schemes that a file may use, in the order in which they win when several fit equally well. */
export const schemes: readonly Scheme[] = [
  "official",
  "timm",
  "mmpretrain",
  "repvggplus",
  "mobileone",
  "mobileone-timm",
];

export interface OfficialNames {
  /** The scheme that the file uses. */
  readonly scheme: Scheme;
  /** By the authors' names (MobileOne: Apple's), in the order of the file. */
  readonly arrays: Map<string, NamedArray>;
  /** Names that the scheme has not; their arrays are left out. */
  readonly unmatched: readonly string[];
}

/**
 * The scheme that most of the names belong to; undefined when none of them belongs to any.
 * Plain MobileOne and plain RepVGG have the same names in timm: there the 1×1 kernels decide, which RepVGG has not.
 */
export function detectScheme(arrays: NamedArrays): Scheme | undefined {
  const names = [...arrays.keys()];
  let best: Scheme | undefined;
  let bestCount = 0;
  for (const scheme of schemes) {
    const count = names.filter((name) => recognizes(scheme, name)).length;
    if (count > bestCount) [best, bestCount] = [scheme, count];
  }
  return best === "timm" && hasPlainPointwise(arrays) ? "mobileone-timm" : best;
}

/**
 * Weights by their official names, from whatever scheme they use.
 * @throws UserError when the names belong to no scheme.
 */
export function toOfficial(source: NamedArrays): OfficialNames {
  const scheme = detectScheme(source);
  if (scheme === undefined) {
    const names = [...source.keys()];
    throw new UserError({
      expected: "weight names of RepVGG (official, timm, mmpretrain), RepVGGplus or MobileOne",
      received: names.length === 0 ? "no weights" : names.slice(0, 3).map(quoted).join(", "),
      remedy: "for another net, export it to ONNX and fold that",
    });
  }
  const arrays = new Map<string, NamedArray>();
  const unmatched: string[] = [];
  for (const [name, array] of source) {
    const official = officialName(name, scheme);
    if (official === undefined) unmatched.push(name);
    else arrays.set(official, array);
  }
  return { scheme, arrays, unmatched };
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
    ...(near ? { remedy: `did you mean "${near}"?` } : {}),
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
