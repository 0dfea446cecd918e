import type { Backend } from "../backend/backend.js";
import { planConvBackwardData, planConvBackwardWeight, planConvForward } from "../backend/conv/plan.js";
import type { ConvPlan, ConvWeightGradientPlan } from "../backend/convolution.js";
import type { ConvGeometry } from "../core/conv-geometry.js";

/** The plans of every convolution that was asked for, by geometry. */
export class ConvPlanCache {
  readonly #backend: Backend;
  readonly #byGeometry = new Map<string, ConvPlans>();

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  of(geometry: ConvGeometry): ConvPlans {
    const key = JSON.stringify(geometry);
    let plans = this.#byGeometry.get(key);
    if (plans === undefined) {
      plans = new ConvPlans(this.#backend, geometry);
      this.#byGeometry.set(key, plans);
    }
    return plans;
  }
}

/** The plans of one convolution, each made when it is first needed. */
export class ConvPlans {
  readonly #backend: Backend;
  readonly #geometry: ConvGeometry;
  #forward: ConvPlan | undefined;
  #backwardData: ConvPlan | undefined;
  #backwardWeight: ConvWeightGradientPlan | undefined;

  constructor(backend: Backend, geometry: ConvGeometry) {
    this.#backend = backend;
    this.#geometry = geometry;
  }

  get forward(): ConvPlan {
    this.#forward ??= planConvForward(this.#geometry, this.#backend);
    return this.#forward;
  }

  get backwardData(): ConvPlan {
    this.#backwardData ??= planConvBackwardData(this.#geometry, this.#backend);
    return this.#backwardData;
  }

  get backwardWeight(): ConvWeightGradientPlan {
    this.#backwardWeight ??= planConvBackwardWeight(this.#geometry, this.#backend);
    return this.#backwardWeight;
  }
}
