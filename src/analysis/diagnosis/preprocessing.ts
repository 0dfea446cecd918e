import type { Preprocessing } from "../../core/preprocessing.js";
import { digits } from "./finding.js";

const fields = ["size", "channels", "mean", "std", "interpolation", "cropRatio"] as const;

export type PreprocessingField = (typeof fields)[number];

/** Fields in which two ways of preparing pictures differ. */
export function differentFields(a: Preprocessing, b: Preprocessing): PreprocessingField[] {
  return fields.filter((field) => `${a[field]}` !== `${b[field]}`);
}

/** A field's value for people: "[224, 224]", "bilinear". */
export function describeField(field: PreprocessingField, preprocessing: Preprocessing): string {
  const value = preprocessing[field];
  return Array.isArray(value) ? `[${value.join(", ")}]` : String(value);
}

/** Pictures are prepared otherwise than a net was trained with. Plain data. */
export interface PreprocessingWarning {
  readonly field: PreprocessingField | "pixels";
  readonly message: string;
}

/** One warning for each field in which evaluation differs from what the model file says. */
export function preprocessingWarnings(trained: Preprocessing, asked: Preprocessing): PreprocessingWarning[] {
  return differentFields(trained, asked).map((field) => ({
    field,
    message: `${field} ${describeField(field, asked)} is asked for, the model file says ${describeField(field, trained)}: the net sees pictures that it was not trained on`,
  }));
}

/** A mean further off than so many standard deviations, or deviations further apart than this factor, are no accident. */
const [farShift, farFactor] = [1, 2];

/**
 * Whether pixels are far from the mean and standard deviation by which a net normalises them: those of its training.
 * @param pixels of the pictures at hand, by channel, in [0, 1]
 */
export function pixelWarnings(
  pixels: Pick<Preprocessing, "mean" | "std">,
  { mean, std }: Pick<Preprocessing, "mean" | "std">,
): PreprocessingWarning[] {
  const far = mean.some((trained, c) => {
    const shift = Math.abs(pixels.mean[c]! - trained) / std[c]!;
    const factor = pixels.std[c]! / std[c]!;
    return shift > farShift || factor > farFactor || factor < 1 / farFactor;
  });
  if (!far) return [];
  const list = (values: readonly number[]): string => values.map(digits).join(", ");
  return [
    {
      field: "pixels",
      message: `the pictures have mean ${list(pixels.mean)} and deviation ${list(pixels.std)}, the model file says mean ${list(mean)} and std ${list(std)}: the net was trained on other pictures, or on pictures prepared otherwise`,
    },
  ];
}
