import type { TrainConfig } from "./config.js";

/** Learning rate over a run: linear warm-up, then half a cosine down to `final` (the paper's recipe ends at 0). */
export interface Schedule {
  readonly base: number;
  readonly final: number;
  readonly warmupSteps: number;
  readonly totalSteps: number;
}

/** The schedule of a run. */
export function scheduleOf(
  { learningRate: base, warmupEpochs, epochs }: Pick<TrainConfig, "learningRate" | "warmupEpochs" | "epochs">,
  stepsPerEpoch: number,
): Schedule {
  const warmupSteps = Math.round(warmupEpochs * stepsPerEpoch);
  return { base, final: 0, warmupSteps, totalSteps: epochs * stepsPerEpoch };
}

/**
 * The learning rate of optimizer step `step`, counted from 0.
 * Warm-up: base · (step + 1) / (warmupSteps + 1). After it: final + (base − final) · (1 + cos πt) / 2 with
 * t = (step − warmupSteps) / (totalSteps − warmupSteps); Loshchilov and Hutter 2017, without restarts.
 */
export function learningRate(schedule: Schedule, step: number): number {
  const { base, final, warmupSteps, totalSteps } = schedule;
  if (step < warmupSteps) return (base * (step + 1)) / (warmupSteps + 1);
  const t = Math.min(1, (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps));
  return final + ((base - final) * (1 + Math.cos(Math.PI * t))) / 2;
}
