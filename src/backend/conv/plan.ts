import type { ConvGeometry } from "../../core/conv-geometry.js";
import type { ConvPlan, ConvWeightGradientPlan } from "../convolution.js";
import { convCost } from "./cost.js";
import { igemmBackwardData, igemmForward } from "./igemm.js";
import type { ConvTarget } from "./target.js";
import { gemmBackwardWeight } from "./weight-gradient.js";
import { winogradBackwardWeight } from "./winograd-weight-gradient.js";
import {
  backwardDataProblem,
  forwardProblem,
  isWinograd,
  winogradBackwardData,
  winogradFits,
  winogradForward,
} from "./winograd.js";

export type { ConvTarget } from "./target.js";

/** The three convolutions of training; inference knows the first only. */
export type ConvRole = "forward" | "backward-data" | "backward-weight";

type Planner<Plan> = (geometry: ConvGeometry, target: ConvTarget) => Plan;

const forwardPlanners: Readonly<Record<string, Planner<ConvPlan>>> = {
  igemm: igemmForward,
  winograd2: (g, target) => winogradForward(g, 2, target),
  winograd4: (g, target) => winogradForward(g, 4, target),
};

const backwardDataPlanners: Readonly<Record<string, Planner<ConvPlan>>> = {
  igemm: igemmBackwardData,
  winograd2: (g, target) => winogradBackwardData(g, 2, target),
  winograd4: (g, target) => winogradBackwardData(g, 4, target),
};

const backwardWeightPlanners: Readonly<Record<string, Planner<ConvWeightGradientPlan>>> = {
  gemm: gemmBackwardWeight,
  winograd4: winogradBackwardWeight,
};

/** The algorithms that can do a convolution in a role. */
export function convAlgorithms(geometry: ConvGeometry, role: ConvRole, target: ConvTarget): readonly string[] {
  if (role === "backward-weight") return isWinograd(geometry) ? ["gemm", "winograd4"] : ["gemm"];
  const algorithms = ["igemm"];
  if (isWinograd(geometry)) {
    const problem = role === "forward" ? forwardProblem(geometry) : backwardDataProblem(geometry);
    if (winogradFits(problem, 2, target)) algorithms.push("winograd2");
    if (winogradFits(problem, 4, target)) algorithms.push("winograd4");
  }
  return algorithms;
}

/** y = x ∗ w. @param algorithm one of {@link convAlgorithms}; the one that {@link convCost} likes best if absent. */
export function planConvForward(geometry: ConvGeometry, target: ConvTarget, algorithm?: string): ConvPlan {
  return forwardPlanners[algorithm ?? cheapest(geometry, "forward", target)]!(geometry, target);
}

/** dx from dy and w; see {@link planConvForward}. */
export function planConvBackwardData(geometry: ConvGeometry, target: ConvTarget, algorithm?: string): ConvPlan {
  return backwardDataPlanners[algorithm ?? cheapest(geometry, "backward-data", target)]!(geometry, target);
}

/** dw from x and dy; see {@link planConvForward}. */
export function planConvBackwardWeight(
  geometry: ConvGeometry,
  target: ConvTarget,
  algorithm?: string,
): ConvWeightGradientPlan {
  return backwardWeightPlanners[algorithm ?? "gemm"]!(geometry, target);
}

function cheapest(geometry: ConvGeometry, role: "forward" | "backward-data", target: ConvTarget): string {
  let best = "igemm";
  let bestCycles = Number.POSITIVE_INFINITY;
  for (const algorithm of convAlgorithms(geometry, role, target)) {
    const { cycles } = convCost(geometry, role, algorithm, target);
    if (cycles < bestCycles) [best, bestCycles] = [algorithm, cycles];
  }
  return best;
}
