import { UserError } from "../core/errors.js";
import type { Dataset } from "../data/dataset.js";
import type { Model } from "../nn/model.js";

/**
 * @throws UserError when the data set's classes are not the model's. A net whose classes have only numbers for names
 * accepts any names.
 */
export function checkClasses(model: Model, dataset: Dataset): void {
  const { classNames } = model.metadata;
  const numbered = classNames.every((name, i) => name === String(i));
  const same =
    classNames.length === dataset.classNames.length &&
    (numbered || classNames.every((name, i) => name === dataset.classNames[i]));
  if (same) return;
  throw new UserError({
    expected: `the model's ${classNames.length} classes (${some(classNames)})`,
    received: `${dataset.classNames.length} classes in ${dataset.name} (${some(dataset.classNames)})`,
    remedy: "use the data that the model was trained on, or train a model for these classes",
  });
}

function some(names: readonly string[]): string {
  return names.length <= 4 ? names.join(", ") : `${names.slice(0, 4).join(", ")}, …`;
}
