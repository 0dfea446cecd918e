import { UserError } from "../core/errors.js";
import type { Dataset } from "../data/dataset.js";
import type { ModelMetadata } from "../nn/model.js";

/** What has names for its classes. */
interface Named {
  readonly metadata: Pick<ModelMetadata, "classNames">;
}

/**
 * @throws UserError when the data set's classes are not the model's. A net whose classes have only numbers for names
 * accepts any names.
 */
export function checkClasses(model: Named, dataset: Dataset): void {
  if (hasClassesOf(model, dataset)) return;
  const { classNames } = model.metadata;
  throw new UserError({
    expected: `the model's ${classNames.length} classes (${some(classNames)})`,
    received: `${dataset.classNames.length} classes in ${dataset.name} (${some(dataset.classNames)})`,
    remedy: "use the data that the model was trained on; to make it a net of these classes: repvgg train --from",
  });
}

/** Whether the data set's classes are the model's, or the model's have only numbers for names. */
export function hasClassesOf({ metadata: { classNames } }: Named, dataset: Dataset): boolean {
  const numbered = classNames.every((name, i) => name === String(i));
  return (
    classNames.length === dataset.classNames.length &&
    (numbered || classNames.every((name, i) => name === dataset.classNames[i]))
  );
}

function some(names: readonly string[]): string {
  return names.length <= 4 ? names.join(", ") : `${names.slice(0, 4).join(", ")}, …`;
}
