import { UserError } from "../core/errors.js";
import { checkSameClasses, heldOutPart, holdOut, validationPartFor, validationTwice } from "../data/hold-out.js";
import { openTrainAndTest } from "../data/open-dataset.node.js";
import { labelColumnsOf } from "../labels/columns.js";
import type { SplitOptions, TrainAndTest } from "./datasets.node.js";
import type { TrainingSets } from "./training-sets.js";

/** How the pictures of a training are divided. */
export interface TrainingSplitOptions extends SplitOptions {
  /**
   * Part of each class's training pictures that judges epochs instead of being trained on, from 0 (none) to below 1. "given": pictures of
   * their own (a val/ folder, or `validation` of data sets). Default: those where there are any, else a tenth of 1,000 training pictures
   * and more, of fewer none.
   */
  readonly validation?: number | "given";
}

/**
 * The pictures of a training. Where they are a place, a val/ (valid/, validation/) folder beside its train/ is what epochs are judged by;
 * with a part of the training pictures in its place (0 too) it stands in for a missing test/, as in `trainAndTest`.
 * @param data a place (folder or known name), or data sets that are open already
 * @throws UserError where the place cannot be opened, the parts do not have the same classes, or a class is too small to be divided
 */
export async function trainingSets(
  data: string | TrainAndTest | TrainingSets,
  options: TrainingSplitOptions = {},
): Promise<TrainingSets> {
  const { validation: asked, seed = 0 } = options;
  const opened = typeof data === "string" ? await openPlace(data, options) : data;
  const { test, heldOut, ...rest }: TrainingSets = opened;
  // Pictures that are trained on measure nothing.
  const sets: TrainingSets = {
    ...rest,
    ...(test && heldOut !== 0 && { test }),
    ...(heldOut !== undefined && { heldOut }),
  };
  if (sets.validationPart !== undefined) return sets;
  if (sets.validation) {
    checkSameClasses(sets.train, sets.validation);
    if (asked === undefined || asked === "given") return sets;
    throw validationTwice(sets.validation, asked);
  }
  if (asked === "given") {
    throw new UserError({
      expected: "the validation pictures that the run was begun with",
      received: `none beside ${sets.train.name}`,
      remedy: typeof data === "string" ? "put the val/ folder back" : "give them as `validation`",
    });
  }
  const validationPart = asked ?? validationPartFor(sets.train);
  if (validationPart === 0) return { ...sets, validationPart };
  const { train, test: validation } = holdOut(sets.train, validationPart, seed, "validation");
  return { ...sets, train, validation, validationPart };
}

async function openPlace(place: string, options: TrainingSplitOptions): Promise<TrainingSets> {
  const { validation: asked, seed = 0, ...others } = options;
  const opened = await openTrainAndTest(place, {
    ...{ ...others, seed },
    validation: asked === undefined || asked === "given",
  });
  const { holdOut: heldOut, ...sets } = opened;
  const origin = {
    place,
    holdOut: heldOut ?? options.holdOut ?? heldOutPart(sets.train.length),
    seed,
    ...labelColumnsOf(options),
  };
  return { ...sets, origin, ...(heldOut !== undefined && { heldOut }) };
}
