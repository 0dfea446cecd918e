import type { Backend } from "../backend/backend.js";
import { planConvBackwardData, planConvBackwardWeight, planConvForward } from "../backend/conv/plan.js";
import type { ConvPlan, ConvWeightGradientPlan } from "../backend/convolution.js";
import type { ConvGeometry } from "../core/conv-geometry.js";

/** Convolution plans, each made once for a geometry. */
export class ConvPlans {
  readonly #backend: Backend;
  readonly #forward = new Map<string, ConvPlan>();
  readonly #backwardData = new Map<string, ConvPlan>();
  readonly #backwardWeight = new Map<string, ConvWeightGradientPlan>();

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  forward(geometry: ConvGeometry): ConvPlan {
    return cached(this.#forward, geometry, () => planConvForward(geometry, this.#backend));
  }

  backwardData(geometry: ConvGeometry): ConvPlan {
    return cached(this.#backwardData, geometry, () => planConvBackwardData(geometry, this.#backend));
  }

  backwardWeight(geometry: ConvGeometry): ConvWeightGradientPlan {
    return cached(this.#backwardWeight, geometry, () => planConvBackwardWeight(geometry, this.#backend));
  }
}

function cached<T>(plans: Map<string, T>, geometry: ConvGeometry, make: () => T): T {
  const key = JSON.stringify(geometry);
  let plan = plans.get(key);
  if (plan === undefined) {
    plan = make();
    plans.set(key, plan);
  }
  return plan;
}
