import type { GraphNode } from "../graph/graph.js";
import type { Affine } from "./affine.js";

/**
 * y = Σ terms, then max(0, ·) when `relu`: what Conv, Gemm, BatchNormalization, Add, Sub, Sum, constant per-channel affines
 * and Relu become together. A convolution alone is a sum of one term.
 */
export interface SumOp {
  readonly kind: "sum";
  /** The node that the steps are named after: the last before Relu. */
  readonly name: string;
  readonly output: string;
  readonly terms: readonly Term[];
  readonly relu: boolean;
}

/** A node that is lowered by itself. */
export interface NodeOp {
  readonly kind: "node";
  readonly node: GraphNode;
}

export type FusedOp = SumOp | NodeOp;

/** A summand: a value, or the result of a convolution that nothing else reads; each through a per-channel affine map. */
export type Term =
  | { readonly kind: "value"; readonly value: string; readonly affine: Affine }
  | { readonly kind: "convolution"; readonly node: GraphNode; readonly affine: Affine };
