/** One step of a learning-rate range test. */
export interface RateStep {
  /** Of this step. */
  readonly learningRate: number;
  /** Of the step's batch, as trained. */
  readonly loss: number;
  /** Mean of the losses so far, the later ones counting more. */
  readonly smoothed: number;
}

/** What a range test found. Plain JSON. */
export interface RateTest {
  /** In order; the last may be short of the highest rate, where the loss diverged. */
  readonly steps: readonly RateStep[];
  /** The loss diverged: it left the numbers or rose as `RateRecorder` says. No higher rate was tried. */
  readonly diverged: boolean;
  /** Where the smoothed loss was lowest: beyond it a higher rate learns no more. */
  readonly lowest: number | null;
  /** A tenth of it; null: the loss never fell, so that nothing can be said. */
  readonly suggestion: number | null;
}

/** Steps of a test: enough for a smooth curve, and seconds to a minute of work. */
export const rateTestSteps = 150;

const ranges = { sgd: [1e-4, 10], adamw: [1e-6, 1] } as const;

/** Share of the mean so far that each step keeps. */
const smoothing = 0.9;

/** The smoothed loss has diverged at so many times its lowest value, or at so many times that of a net that knows nothing. */
const [overLowest, overIgnorance] = [4, 1.25];

/** Steps before which the mean is of too few losses to be judged. */
const firstJudged = 10;

/** A loss that fell by less than this part of where it began is noise. */
const leastFall = 0.02;

/** Learning rate of step `step` of a test: from the lowest to the highest at equal ratios. */
export function rateOfStep(optimizer: "sgd" | "adamw", step: number, steps = rateTestSteps): number {
  const [low, high] = ranges[optimizer];
  return low * (high / low) ** (step / (steps - 1));
}

/**
 * Records a learning-rate range test (Smith 2017, "Cyclical learning rates for training neural networks", section 3.3): the rate rises
 * exponentially from step to step, and the loss is looked at. Losses are smoothed as m = 0.9 m + 0.1 loss, divided by 1 − 0.9^t. They have
 * diverged at 4 times the lowest, or 1.25 times that of a net that knows nothing (or that they began with, where it is more): BatchNorm lets no
 * weights run away, and then a loss that learns nothing is all that is seen.
 */
export class RateRecorder {
  readonly #steps: RateStep[] = [];
  #mean = 0;
  readonly #ignorance: number;
  #diverged = false;

  /** @param ignorance the loss of a net that knows nothing: log(classes) */
  constructor(ignorance: number) {
    this.#ignorance = ignorance;
  }

  /** @returns whether the test goes on */
  add(learningRate: number, loss: number): boolean {
    if (!Number.isFinite(loss)) return this.diverge();
    this.#mean = smoothing * this.#mean + (1 - smoothing) * loss;
    const smoothed = this.#mean / (1 - smoothing ** (this.#steps.length + 1));
    this.#steps.push({ learningRate, loss, smoothed });
    if (this.#steps.length <= firstJudged) return true;
    const judged = this.#steps.slice(firstJudged - 1).map((step) => step.smoothed);
    const limit = Math.min(overLowest * Math.min(...judged), overIgnorance * Math.max(judged[0]!, this.#ignorance));
    return smoothed > limit ? this.diverge() : true;
  }

  /** The loss of the next step was not finite. */
  diverge(): false {
    this.#diverged = true;
    return false;
  }

  /**
   * The suggestion is a tenth of the rate at which the smoothed loss was lowest: there the steps undo as much as they learn, and a training
   * stays at its rate for long.
   */
  result(): RateTest {
    const judged = this.#steps.slice(firstJudged - 1);
    const best = judged.reduce<RateStep | undefined>((a, b) => (a && a.smoothed <= b.smoothed ? a : b), undefined);
    const began = judged[0]?.smoothed ?? Number.NaN;
    const fell = best !== undefined && best.smoothed < began * (1 - leastFall);
    return {
      steps: this.#steps,
      diverged: this.#diverged,
      lowest: fell ? best.learningRate : null,
      suggestion: fell ? Number((best.learningRate / 10).toPrecision(2)) : null,
    };
  }
}
