import { type ConvGeometry, checkConvGeometry, convMacs } from "../../core/conv-geometry.js";
import type { ConvPlan, ConvWeightGradientPlan } from "../convolution.js";
import {
  type ConvCost,
  gemmBackwardWeightCost,
  igemmBackwardDataCost,
  igemmForwardCost,
  winogradBackwardWeightCost,
  winogradCost,
} from "./cost.js";
import { depthwiseBackwardData, depthwiseBackwardWeight, depthwiseForward, isDepthwise } from "./depthwise.js";
import { igemmBackwardData, igemmForward } from "./igemm.js";
import type { ConvTarget } from "./target.js";
import { gemmBackwardWeight } from "./weight-gradient.js";
import {
  backwardDataProblem,
  forwardProblem,
  isTransposedWinograd,
  isWinograd,
  type WinogradKind,
  winograd2,
  winograd4,
  winograd4Stride2,
  winograd8Transposed2,
  winogradBackwardData,
  winogradFits,
  winogradForward,
} from "./winograd.js";
import { type GradientKind, winogradBackwardWeight } from "./winograd-weight-gradient.js";

export type { ConvCost } from "./cost.js";
export type { ConvTarget } from "./target.js";

/** The three convolutions of training; inference knows the first only. */
export type ConvRole = "forward" | "backward-data" | "backward-weight";

interface Algorithm<Plan> {
  applies(g: ConvGeometry, target: ConvTarget): boolean;
  cost(g: ConvGeometry, target: ConvTarget): ConvCost;
  plan(g: ConvGeometry, target: ConvTarget): Plan;
}

type Algorithms<Plan> = Readonly<Record<string, Algorithm<Plan>>>;

/** Every product once, in channels as lanes: where it applies nothing else comes near. */
const depthwiseCost = (g: ConvGeometry): ConvCost => ({ multiplications: convMacs(g), cycles: 0 });

function winograd(
  kind: WinogradKind,
  role: "forward" | "backward-data",
  applies = (g: ConvGeometry) => isWinograd(g, kind.stride),
): Algorithm<ConvPlan> {
  const problem = role === "forward" ? forwardProblem : backwardDataProblem;
  const plan = role === "forward" ? winogradForward : winogradBackwardData;
  return {
    applies: (g, target) => applies(g) && winogradFits(problem(g), kind, target),
    cost: (g, target) => winogradCost(problem(g), kind, target),
    plan: (g, target) => plan(g, kind, target),
  };
}

function winogradWeightGradient(kind: GradientKind): Algorithm<ConvWeightGradientPlan> {
  return {
    applies: (g) => isWinograd(g, kind.stride),
    cost: (g, target) => winogradBackwardWeightCost(g, kind, target),
    plan: (g, target) => winogradBackwardWeight(g, kind, target),
  };
}

const forward: Algorithms<ConvPlan> = {
  igemm: { applies: () => true, cost: igemmForwardCost, plan: igemmForward },
  winograd2: winograd(winograd2, "forward"),
  winograd4: winograd(winograd4, "forward"),
  winograd4_stride2: winograd(winograd4Stride2, "forward"),
  depthwise: { applies: isDepthwise, cost: depthwiseCost, plan: depthwiseForward },
};

const backwardData: Algorithms<ConvPlan> = {
  igemm: { applies: () => true, cost: igemmBackwardDataCost, plan: igemmBackwardData },
  winograd2: winograd(winograd2, "backward-data"),
  winograd4: winograd(winograd4, "backward-data"),
  winograd8_transposed2: winograd(winograd8Transposed2, "backward-data", isTransposedWinograd),
  depthwise: { applies: isDepthwise, cost: depthwiseCost, plan: depthwiseBackwardData },
};

const backwardWeight: Algorithms<ConvWeightGradientPlan> = {
  gemm: { applies: () => true, cost: gemmBackwardWeightCost, plan: gemmBackwardWeight },
  winograd4: winogradWeightGradient(winograd4),
  winograd4_stride2: winogradWeightGradient(winograd4Stride2),
  depthwise: { applies: isDepthwise, cost: depthwiseCost, plan: depthwiseBackwardWeight },
};

const algorithmsOf: Readonly<Record<ConvRole, Algorithms<unknown>>> = {
  forward,
  "backward-data": backwardData,
  "backward-weight": backwardWeight,
};

/** The algorithms that can do a convolution in a role. */
export function convAlgorithms(g: ConvGeometry, role: ConvRole, target: ConvTarget): readonly string[] {
  return Object.entries(algorithmsOf[role]).flatMap(([name, { applies }]) => (applies(g, target) ? [name] : []));
}

/**
 * The algorithm that the cost model finds cheapest for one picture of a batch: the same whatever the batch, so that a picture's
 * numbers do not depend on those beside it.
 */
export function algorithmOfOne(g: ConvGeometry, role: "forward" | "backward-data", target: ConvTarget): string {
  const algorithms = role === "forward" ? forward : backwardData;
  const chosen = choose(algorithms, { ...g, batch: 1 }, target, undefined);
  return Object.keys(algorithms).find((name) => algorithms[name] === chosen)!;
}

/** What one of {@link convAlgorithms} would cost. */
export function convCost(g: ConvGeometry, role: ConvRole, algorithm: string, target: ConvTarget): ConvCost {
  return find(algorithmsOf[role], algorithm).cost(g, target);
}

/**
 * y = x ∗ w.
 * @param algorithm one of {@link convAlgorithms}; if absent, the one that the cost model finds cheapest
 * @throws ShapeError when the geometry has no output
 */
export function planConvForward(g: ConvGeometry, target: ConvTarget, algorithm?: string): ConvPlan {
  return choose(forward, g, target, algorithm).plan(g, target);
}

/** dx from dy and w; see {@link planConvForward}. */
export function planConvBackwardData(g: ConvGeometry, target: ConvTarget, algorithm?: string): ConvPlan {
  return choose(backwardData, g, target, algorithm).plan(g, target);
}

/** dw from x and dy; see {@link planConvForward}. */
export function planConvBackwardWeight(
  g: ConvGeometry,
  target: ConvTarget,
  algorithm?: string,
): ConvWeightGradientPlan {
  return choose(backwardWeight, g, target, algorithm).plan(g, target);
}

function choose<Plan>(
  algorithms: Algorithms<Plan>,
  g: ConvGeometry,
  target: ConvTarget,
  name: string | undefined,
): Algorithm<Plan> {
  checkConvGeometry(g);
  if (name !== undefined) {
    const algorithm = find(algorithms, name);
    if (!algorithm.applies(g, target)) throw new RangeError(`${name} cannot do this convolution`);
    return algorithm;
  }
  const candidates = Object.values(algorithms).filter(({ applies }) => applies(g, target));
  const oneThread = { ...target, threads: 1 }; // the choice decides the result's bits: it must not depend on the threads
  const costs = candidates.map(({ cost }) => cost(g, oneThread).cycles);
  return candidates[costs.indexOf(Math.min(...costs))]!;
}

function find<Plan>(algorithms: Algorithms<Plan>, name: string): Algorithm<Plan> {
  const algorithm = algorithms[name];
  if (!algorithm) throw new RangeError(`${name} is none of ${Object.keys(algorithms).join(", ")}`);
  return algorithm;
}
