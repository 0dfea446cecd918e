import type { ConvGeometry } from "../../core/conv-geometry.js";
import type { ConvPlan, ConvWeightGradientPlan } from "../convolution.js";
import { igemmBackwardData, igemmForward } from "./igemm.js";
import type { ConvTarget } from "./target.js";
import { gemmBackwardWeight } from "./weight-gradient.js";

export type { ConvTarget } from "./target.js";

/** The three convolutions of training; inference knows the first only. */
export type ConvRole = "forward" | "backward-data" | "backward-weight";

/** The algorithms that can do a convolution in a role. */
export function convAlgorithms(_geometry: ConvGeometry, role: ConvRole): readonly string[] {
  return role === "backward-weight" ? ["gemm"] : ["igemm"];
}

/** y = x ∗ w. @param algorithm one of {@link convAlgorithms}; the one that the cost model likes best if absent. */
export function planConvForward(geometry: ConvGeometry, target: ConvTarget, _algorithm?: string): ConvPlan {
  return igemmForward(geometry, target);
}

/** dx from dy and w; see {@link planConvForward}. */
export function planConvBackwardData(geometry: ConvGeometry, target: ConvTarget, _algorithm?: string): ConvPlan {
  return igemmBackwardData(geometry, target);
}

/** dw from x and dy; see {@link planConvForward}. */
export function planConvBackwardWeight(
  geometry: ConvGeometry,
  target: ConvTarget,
  _algorithm?: string,
): ConvWeightGradientPlan {
  return gemmBackwardWeight(geometry, target);
}
