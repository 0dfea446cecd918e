import { UserError } from "../../core/errors.js";

/**
 * How a training picture is varied: plain JSON, kept with a run. Steps happen in the order of the fields; each is left
 * out where its field is.
 */
export interface AugmentationConfig {
  /** How the picture comes to the net's size; left out: as for evaluation (shorter side, centre crop). */
  readonly crop?: RandomResizedCrop | PadAndCrop;
  /** Probability of the mirror image. */
  readonly flip?: number;
  /** Some random operations of colour and geometry. */
  readonly randAugment?: RandAugment;
  /** Random brightness, contrast, saturation and hue. */
  readonly colorJitter?: ColorJitter;
  /** A rectangle that is blotted out. */
  readonly erasing?: RandomErasing;
}

/** torchvision's RandomResizedCrop (Szegedy et al. 2015): a rectangle of random area and aspect, resized to the net's size. */
export interface RandomResizedCrop {
  /** Tells it from {@link PadAndCrop}. */
  readonly kind: "random-resized";
  /** Range of the area as a fraction of the picture's; torchvision: [0.08, 1]. */
  readonly scale: readonly [number, number];
  /** Range of width / height, drawn log-uniformly; torchvision: [3/4, 4/3]. */
  readonly ratio: readonly [number, number];
}

/** The picture at the net's size, shifted by up to `padding` pixels each way (He et al. 2016 on CIFAR-10). */
export interface PadAndCrop {
  /** Tells it from {@link RandomResizedCrop}. */
  readonly kind: "pad";
  /** In pixels. */
  readonly padding: number;
  /** What a shift uncovers: black (0), or the picture's mirror image. */
  readonly fill: "zero" | "reflect";
}

/** torchvision's RandAugment (Cubuk et al. 2020): `operations` random ones of 14 in turn. */
export interface RandAugment {
  /** How many are drawn, with replacement. */
  readonly operations: number;
  /** 0 … 30. */
  readonly magnitude: number;
}

/** torchvision's ColorJitter: factors from [max(0, 1 − x), 1 + x], hue shift from [−hue, hue] turns, in random order. */
export interface ColorJitter {
  /** x of the factor by which pixels are multiplied. */
  readonly brightness: number;
  /** x of the factor by which pixels move from the mean grey. */
  readonly contrast: number;
  /** x of the factor by which pixels move from their own grey. */
  readonly saturation: number;
  /** At most 0.5. */
  readonly hue: number;
}

/** Random erasing (Zhong et al. 2020): a rectangle becomes noise or one value. */
export interface RandomErasing {
  /** In [0, 1], for each picture. */
  readonly probability: number;
  /** Range of the area as a fraction of the picture's; torchvision: [0.02, 0.33]. */
  readonly scale: readonly [number, number];
  /** Range of height / width, drawn log-uniformly; torchvision: [0.3, 3.3]. */
  readonly ratio: readonly [number, number];
  /** A value of 0 … 255, or noise in each pixel. */
  readonly fill: number | "noise";
}

export const augmentationPresets = ["none", "flip", "small-images", "small-photographs", "imagenet"] as const;
/** Name of a usual {@link AugmentationConfig}: `none`, `flip`, `small-images` (CIFAR-10's), `small-photographs`, `imagenet` (the paper's). */
export type AugmentationPreset = (typeof augmentationPresets)[number];

/**
 * - `none`: as for evaluation.
 * - `flip`: mirror images only; for short runs on centred pictures, where shifts cost more than they teach.
 * - `small-images`: shifts by up to 1/8 of the size (4 pixels of 32, 3 of 28) and flips: the usual CIFAR-10 recipe.
 * - `small-photographs`: the same, but a shift uncovers the picture's mirror image instead of black, which would move the statistics of
 *   the first BatchNorm (by a fifth of σ on CIFAR-10) from those of whole pictures.
 * - `imagenet`: RandomResizedCrop and flip, as the paper trains (sec. 4.1).
 */
export function augmentationPreset(preset: AugmentationPreset, size: readonly [number, number]): AugmentationConfig {
  switch (preset) {
    case "none":
      return {};
    case "flip":
      return { flip: 0.5 };
    case "small-images":
    case "small-photographs": {
      const padding = Math.max(1, Math.floor(Math.min(...size) / 8));
      return { crop: { kind: "pad", padding, fill: preset === "small-images" ? "zero" : "reflect" }, flip: 0.5 };
    }
    case "imagenet":
      return { crop: { kind: "random-resized", scale: [0.08, 1], ratio: [3 / 4, 4 / 3] }, flip: 0.5 };
    default:
      throw new UserError({
        expected: `an augmentation of ${augmentationPresets.join(", ")}`,
        received: `"${preset}"`,
      });
  }
}

/** Random erasing with torchvision's ranges, by noise, which Zhong et al. found best. @param probability 0 … 1 */
export function randomErasing(probability: number): RandomErasing {
  return { probability, scale: [0.02, 0.33], ratio: [0.3, 3.3], fill: "noise" };
}

/** @throws UserError naming the first field that is out of its range (for configurations that come from a file). */
export function checkAugmentation(config: AugmentationConfig): void {
  const { crop, flip, randAugment, colorJitter, erasing } = config;
  if (crop?.kind === "random-resized") {
    range("crop.scale", crop.scale, 0, 1);
    range("crop.ratio", crop.ratio, 0, Number.POSITIVE_INFINITY);
  } else if (crop?.kind === "pad") {
    integer("crop.padding", crop.padding, 0, 4096);
    if (crop.fill !== "zero" && crop.fill !== "reflect") fail("crop.fill", `"zero" or "reflect"`, crop.fill);
  } else if (crop !== undefined) fail("crop.kind", `"random-resized" or "pad"`, (crop as { kind: unknown }).kind);
  if (flip !== undefined) between("flip", flip, 0, 1);
  if (randAugment) {
    integer("randAugment.operations", randAugment.operations, 0, 100);
    integer("randAugment.magnitude", randAugment.magnitude, 0, 30);
  }
  if (colorJitter) {
    for (const field of ["brightness", "contrast", "saturation"] as const) {
      between(`colorJitter.${field}`, colorJitter[field], 0, 100);
    }
    between("colorJitter.hue", colorJitter.hue, 0, 0.5);
  }
  if (erasing) {
    between("erasing.probability", erasing.probability, 0, 1);
    range("erasing.scale", erasing.scale, 0, 1);
    range("erasing.ratio", erasing.ratio, 0, Number.POSITIVE_INFINITY);
    if (erasing.fill !== "noise") integer("erasing.fill", erasing.fill, 0, 255);
  }
}

function range(field: string, value: readonly [number, number], low: number, high: number): void {
  const [from, to] = Array.isArray(value) ? value : [Number.NaN, Number.NaN];
  if (!(Number.isFinite(from) && Number.isFinite(to) && from > low && from <= to && to <= high)) {
    fail(field, `[low, high] with ${low} < low ≤ high${high === Number.POSITIVE_INFINITY ? "" : ` ≤ ${high}`}`, value);
  }
}

function between(field: string, value: number, low: number, high: number): void {
  if (!(Number.isFinite(value) && value >= low && value <= high)) fail(field, `a number in [${low}, ${high}]`, value);
}

function integer(field: string, value: number, low: number, high: number): void {
  if (!(Number.isInteger(value) && value >= low && value <= high))
    fail(field, `an integer in [${low}, ${high}]`, value);
}

function fail(field: string, expected: string, received: unknown): never {
  throw new UserError({
    expected: `augmentation's ${field} as ${expected}`,
    received: JSON.stringify(received) ?? "nothing",
  });
}
