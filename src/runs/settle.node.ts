import { checkStatistics } from "../analysis/diagnosis/statistics.js";
import { evaluate } from "../api/evaluate.node.js";
import { type RecalibrationEffect, recalibrate } from "../api/recalibrate.node.js";
import type { TrainingSets } from "../api/training-sets.js";
import type { Backend } from "../backend/backend.js";
import { percent, plural } from "../core/format.js";
import type { Model } from "../nn/model.js";
import { spreadOver } from "../recipe/spread-over.js";

/** A net whose BatchNorm statistics were recalibrated at the end of its training. */
export interface Settled {
  readonly model: Model;
  /** On the validation pictures, without any on some of those that were trained on. */
  readonly effect: RecalibrationEffect;
  readonly pictures: "validation" | "training";
}

/** Training pictures by which the effect is told where no others may be looked at. */
const measuredPictures = 1_000;

/**
 * Recalibrates the BatchNorm statistics of a net whose training was so short that their initial values still weigh in them: exactly, over
 * the training pictures. Longer trainings keep what they have: undefined. The test pictures are not looked at.
 */
export async function settle(
  trained: Model,
  { train, validation }: Pick<TrainingSets, "train" | "validation">,
  backend: Backend,
): Promise<Settled | undefined> {
  if (!checkStatistics(trained).some(({ problem }) => problem === "few-batches")) return undefined;
  const model = await recalibrate(trained, train, { backend });
  const measured = validation ?? spreadOver(train, measuredPictures);
  const before = await evaluate(trained, measured, { backend });
  const after = await evaluate(model, measured, { backend });
  return {
    model,
    effect: { images: after.images, before: before.top1, after: after.top1 },
    pictures: validation ? "validation" : "training",
  };
}

/** In a sentence. */
export function describeSettling({ effect, pictures }: Settled, steps: number): string {
  const { images, before, after } = effect;
  return `After ${plural(steps, "step")} the initial values still weighed in BatchNorm's statistics: they were recalibrated on the training pictures; top-1 on ${plural(images, `${pictures} picture`)} ${percent(before)} before, ${percent(after)} after.`;
}
