import { UserError } from "../core/errors.js";
import { f32, type NamedArray, toFloat32 } from "../core/named-arrays.js";
import { auxHeadLayouts } from "./layout.js";
import type { Model } from "./model.js";

/** A net whose classifier tells other classes apart. */
export interface NewHead {
  readonly model: Model;
  /** Of the new classes those that the net knew, by name: their rows are the old ones. */
  readonly kept: readonly string[];
}

/**
 * The net with a linear layer for other classes, in auxiliary heads too. Rows of classes that carry the same name stay; the others begin at 0
 * (weight and bias), as Kolesnikov et al. 2020 ("Big Transfer", section 3.3) begin theirs: the first steps then teach the head alone, since
 * no gradient goes through a row of zeros.
 * A name that the net has twice (ImageNet's "crane") says nothing, and neither do names that are numbers.
 * @param classNames in the order of the new logits
 * @throws UserError for fewer than two classes
 */
export function withClasses(model: Model, classNames: readonly string[]): NewHead {
  if (classNames.length < 2) {
    throw new UserError({
      expected: "at least two classes to tell apart",
      received: classNames.length === 0 ? "none" : `one, "${classNames[0]}"`,
      remedy: "add a folder of pictures that are something else",
    });
  }
  const { architecture, metadata } = model;
  const places = new Map<string, number>();
  metadata.classNames.forEach((name, row) => {
    places.set(name, places.has(name) || name === String(row) ? -1 : row);
  });
  const rows = classNames.map((name) => places.get(name) ?? -1);
  const heads = [
    "linear",
    ...(model.form === "train" ? auxHeadLayouts(architecture).map(({ path }) => `${path}.3`) : []),
  ];
  const state = new Map(model.state);
  for (const array of heads.flatMap((head) => [`${head}.weight`, `${head}.bias`])) {
    state.set(array, picked(state.get(array)!, rows));
  }
  // What was assumed of the old classes is nobody's any more.
  const { assumed, ...known } = metadata;
  const still = assumed?.filter((fact) => fact !== "classNames") ?? [];
  return {
    model: {
      ...model,
      architecture: { ...architecture, classes: classNames.length },
      state,
      metadata: { ...known, ...(still.length > 0 && { assumed: still }), classNames },
    },
    kept: classNames.filter((_, i) => rows[i]! >= 0),
  };
}

/** Rows of an array [classes, …] in a new order; zeros where the old row is −1. */
function picked(array: NamedArray, rows: readonly number[]): NamedArray {
  const values = toFloat32(array);
  const length = array.shape.slice(1).reduce((product, size) => product * size, 1);
  const data = new Float32Array(rows.length * length);
  rows.forEach((row, i) => {
    if (row >= 0) data.set(values.subarray(row * length, (row + 1) * length), i * length);
  });
  return f32([rows.length, ...array.shape.slice(1)], data);
}
