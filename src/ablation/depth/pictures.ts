import { UserError } from "../../core/errors.js";
import { rngFor } from "../../core/rng.js";
import type { Dataset } from "../../data/dataset.js";
import { indicesByClass } from "../../data/hold-out.js";
import type { StudyPlan } from "./plan.js";

/** Pictures of a study: what nets learn from, what choices are judged by, what results are. */
export interface StudySets {
  readonly train: Dataset;
  /** Training pictures that no net of the study learns from. */
  readonly choice: Dataset;
  readonly test: Dataset;
}

/**
 * Parts of the training pictures, with an equal number of each class: first those to learn from, then others to choose by. The same ones
 * for every seed: a study compares blocks on the same pictures.
 * @throws UserError where a class has too few
 */
export function studyPictures(
  { train, test }: { readonly train: Dataset; readonly test: Dataset },
  { pictures, choicePictures }: Pick<StudyPlan, "pictures" | "choicePictures">,
): StudySets {
  const classes = train.classNames.length;
  const [learned, chosen] = [Math.floor(pictures / classes), Math.floor(choicePictures / classes)];
  const byClass = indicesByClass(train).map((indices, label) => {
    if (indices.length < learned + chosen || learned < 1) {
      throw new UserError({
        expected: `at least ${Math.max(1, learned) + chosen} training pictures of class "${train.classNames[label]}"`,
        received: `${indices.length}, and ${pictures} + ${choicePictures} asked for of ${classes} classes`,
        remedy: "ask for fewer (--pictures, --choice-pictures)",
      });
    }
    rngFor(0, "depth-study", label).shuffle(indices);
    return indices;
  });
  const select = (from: number, to: number, name: string): Dataset =>
    train.select(
      byClass.flatMap((indices) => indices.slice(from, to)).sort((a, b) => a - b),
      `${train.name}/${name}`,
    );
  return { train: select(0, learned, "learned"), choice: select(learned, learned + chosen, "chosen-by"), test };
}
