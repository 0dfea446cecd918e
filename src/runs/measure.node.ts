import { evaluate } from "../api/evaluate.node.js";
import type { TrainingSets } from "../api/training-sets.js";
import type { Backend } from "../backend/backend.js";
import type { Model } from "../nn/model.js";
import type { Measured } from "./measured.js";
import type { TrainProcessOptions } from "./process-options.node.js";

/** Looks at the test pictures, once, with the net that the run gives. Undefined where nothing was kept from training. */
export async function measure(
  model: Model,
  { test, validation, heldOut }: TrainingSets,
  { backend, onTest }: Pick<TrainProcessOptions, "onTest"> & { readonly backend: Backend },
): Promise<Measured | undefined> {
  const dataset = test ?? validation;
  if (!dataset) return undefined;
  const pictures = !test ? "validation" : heldOut === undefined ? "test" : "held-out";
  onTest?.(0, dataset.length);
  const evaluation = await evaluate(model, dataset, { backend, ...(onTest && { onImages: onTest }) });
  return { pictures, dataset, evaluation };
}
