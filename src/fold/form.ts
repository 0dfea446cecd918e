import { asOneConvolution, isScaleAndShift, isTransposed } from "../conv-algebra/form.js";
import { spatialRank } from "../conv-algebra/geometry.js";
import { compactGroups } from "../conv-algebra/groups.js";
import type { LinearMap } from "../conv-algebra/linear-map.js";
import { weightOf } from "../conv-algebra/linear-map.js";
import { intAttribute } from "../graph/attributes.js";
import type { GraphNode } from "../graph/graph.js";
import type { Candidate } from "./candidates.js";

/** What a region is written as. */
export type Form = "convolution" | "transposed" | "matrix" | "affine";

export interface WrittenForm {
  readonly form: Form;
  /** Nodes that it takes. */
  readonly nodes: number;
}

/** What a region of that candidate would be written as; undefined where a graph has no such node. */
export function formOf({ map, weighted, rank, permutation }: Candidate): WrittenForm | undefined {
  const moved = permutation ? 1 : 0;
  if (!weighted && isScaleAndShift(map)) {
    const { scales, shifts } = affineParts(map);
    return { form: "affine", nodes: Math.max(1, Number(scales) + Number(shifts)) + moved };
  }
  if (spatialRank(map) === 0) {
    const bias = rank > 2 && map.bias.some((b) => b !== 0);
    return { form: "matrix", nodes: 1 + Number(bias) + moved };
  }
  // A Transpose behind a convolution is no work saved.
  if (permutation) return undefined;
  return { form: isTransposed(map) ? "transposed" : "convolution", nodes: 1 };
}

/** Whether a scale and shift ({@link isScaleAndShift}) scales and shifts at all. */
export function affineParts(map: LinearMap): { readonly scales: boolean; readonly shifts: boolean } {
  return { scales: weightOf(map).some((w) => w !== 1), shifts: map.bias.some((b) => b !== 0) };
}

/**
 * A region's map in its natural form: the groups that one of its convolutions has. Where none has them (they come from reconciling
 * several), the kernel gets as many groups as its zeros allow. A matrix has none.
 */
export function naturalMap(nodes: readonly GraphNode[], { map }: Candidate, form: Form): LinearMap {
  if (form === "affine") return map;
  const whole = asOneConvolution(map);
  if (form === "matrix") return { ...whole, groups: 1 };
  const convolutions = nodes.filter(({ op }) => op === "Conv" || op === "ConvTranspose");
  const natural =
    convolutions.length === 0 || convolutions.some((node) => intAttribute(node, "group", 1) === whole.groups);
  return natural ? whole : compactGroups(whole);
}
