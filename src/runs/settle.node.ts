import { checkStatistics } from "../analysis/diagnosis/statistics.js";
import type { TrainAndTest } from "../api/datasets.node.js";
import { evaluate } from "../api/evaluate.node.js";
import type { Evaluation } from "../api/evaluation.js";
import { type RecalibrationEffect, recalibrate } from "../api/recalibrate.node.js";
import type { Backend } from "../backend/backend.js";
import { percent, plural } from "../core/format.js";
import type { Model } from "../nn/model.js";

/** A net whose BatchNorm statistics were recalibrated at the end of its training. */
export interface Settled {
  readonly model: Model;
  /** Of the net as it is now. */
  readonly evaluation: Evaluation;
  readonly effect: RecalibrationEffect;
}

/**
 * Recalibrates the BatchNorm statistics of a net whose training was so short that their initial values still weigh in them: exactly, over
 * the training pictures. Longer trainings keep what they have: undefined.
 * @param before top-1 on the test pictures with the statistics that training left
 */
export async function settle(
  trained: Model,
  { train, test }: TrainAndTest,
  before: number,
  backend: Backend,
): Promise<Settled | undefined> {
  if (!checkStatistics(trained).some(({ problem }) => problem === "few-batches")) return undefined;
  const model = await recalibrate(trained, train, { backend });
  const evaluation = await evaluate(model, test, { backend });
  return { model, evaluation, effect: { images: evaluation.images, before, after: evaluation.top1 } };
}

/** In a sentence. */
export function describeSettling({ images, before, after }: RecalibrationEffect, steps: number): string {
  return `After ${plural(steps, "step")} the initial values still weighed in BatchNorm's statistics: they were recalibrated on the training pictures; top-1 on ${plural(images, "test picture")} ${percent(before)} before, ${percent(after)} after.`;
}
