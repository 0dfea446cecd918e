import { nearest } from "../../core/errors.js";
import { blockNames } from "./block-names.js";
import type { InferredBlock, InferredStructure } from "./inferred-structure.js";

/** The nearest name costs a comparison with every left-over one: only for so many missing ones. */
const maxNearest = 20;

/** How a file's names and those of a structure differ. */
export interface NameComparison {
  /** Names that the structure asks for and the weights have not, each with the nearest left-over name. */
  readonly missing: readonly { readonly name: string; readonly nearest: string | undefined }[];
  /** Names that the structure has no place for. */
  readonly leftOver: readonly string[];
}

/** The names that a net of this structure has; counters (`num_batches_tracked`) left out, as some files do. */
export function expectedNames(
  blocks: readonly InferredBlock[],
  { block, squeezeExcite, strides, layers, classes }: InferredStructure,
  form: "train" | "plain",
): string[] {
  const expected: string[] = [];
  const add = (path: string, parameters: readonly string[]): void => {
    for (const parameter of parameters) expected.push(`${path}.${parameter}`);
  };
  for (const [i, { path, stage, inChannels, outChannels }] of blocks.entries()) {
    const exception = layers?.[i];
    if (squeezeExcite) {
      const module = squeezeExcite.position === "after-relu" ? "post_se" : "se";
      add(`${path}.${module}.down`, ["weight", "bias"]);
      add(`${path}.${module}.up`, ["weight", "bias"]);
    }
    if (form === "plain" || exception?.folded) {
      add(`${path}.rbr_reparam`, ["weight", "bias"]);
      continue;
    }
    const stride = blocks[i - 1]?.stage === stage ? 1 : strides[stage]!;
    const identity = (exception?.identity ?? block.identity) && stride === 1 && inChannels === outChannels;
    add(path, blockNames(block.kind, { pointwise: exception?.pointwise ?? block.pointwise, identity }));
  }
  if (classes > 0) add("linear", ["weight", "bias"]);
  return expected;
}

/** @param known names that are neither missing nor left over */
export function compareNames(
  names: ReadonlySet<string>,
  expected: readonly string[],
  known: ReadonlySet<string>,
): NameComparison {
  const wanted = new Set(expected);
  const leftOver = [...names].filter(
    (name) => !wanted.has(name) && !known.has(name) && !name.endsWith(".num_batches_tracked") && !isAuxiliary(name),
  );
  // Edit distance costs the product of two lengths, which a hostile file chooses.
  const candidates = leftOver.filter((name) => name.length < 100).slice(0, 300);
  const missing = expected
    .filter((name) => !names.has(name))
    .map((name, i) => ({ name, nearest: i < maxNearest ? nearest(name, candidates) : undefined }));
  return { missing, leftOver };
}

/** Heads of RepVGGplus that only training uses; a checkpoint may have them or not. */
function isAuxiliary(name: string): boolean {
  return /^stage(1|2|3_first)_aux\./.test(name);
}
