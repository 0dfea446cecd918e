/** How a picture becomes the net's input; stored in every model file, so that the file alone can classify. */
export interface Preprocessing {
  /** Height and width of the net's input in pixels. */
  readonly size: readonly [height: number, width: number];
  /** 1 (grey) or 3 (RGB). */
  readonly channels: 1 | 3;
  /** Per channel, of values in [0, 1]: input = (value / 255 − mean) / std. */
  readonly mean: readonly number[];
  /** Per channel, of values in [0, 1]: by which the difference to `mean` is divided. */
  readonly std: readonly number[];
  /** Antialiased bilinear, as torchvision and PIL do it: the only one that is offered. */
  readonly interpolation: "bilinear";
  /**
   * The shorter side is resized to `size / cropRatio` and the centre is cropped (ImageNet: 224 / 256 = 0.875).
   * 1: resized straight to the input size when the picture is square, else shorter side first and then cropped.
   */
  readonly cropRatio: number;
}

/** What of a {@link Preprocessing} a file may leave unsaid; channels are the net's own. */
export type PictureField = "size" | "mean" | "std" | "cropRatio";

/** Some of it: what a file says, or what is asked for. */
export type PartialPreprocessing = Partial<Pick<Preprocessing, PictureField>>;

/** Statistics of ImageNet, which the published models use. */
export const imagenetMean: readonly number[] = [0.485, 0.456, 0.406];
export const imagenetStd: readonly number[] = [0.229, 0.224, 0.225];

/** How pictures are usually prepared: ImageNet's statistics (0.5 for grey); small nets see all of a picture, others its centre. */
export function usualPreprocessing(
  channels: Preprocessing["channels"],
  size: Preprocessing["size"],
  given: PartialPreprocessing = {},
): Preprocessing {
  return {
    size,
    channels,
    mean: channels === 3 ? imagenetMean : [0.5],
    std: channels === 3 ? imagenetStd : [0.5],
    interpolation: "bilinear",
    cropRatio: Math.min(...(given.size ?? size)) < 128 ? 1 : 0.875,
    ...given,
  };
}

/** Whether a value of any kind can be a field of a {@link Preprocessing}. */
export const isPictureField: Readonly<Record<PictureField, (value: unknown, channels: number) => boolean>> = {
  size: (value) => isNumbers(value, 2, 1) && value.every((side) => Number.isInteger(side) && side <= 16_384),
  mean: (value, channels) => isNumbers(value, channels, Number.NEGATIVE_INFINITY),
  std: (value, channels) => isNumbers(value, channels, 1e-12),
  cropRatio: (value) => isNumbers([value], 1, 0) && value !== 0 && (value as number) <= 1,
};

function isNumbers(value: unknown, length: number, low: number): value is number[] {
  return (
    Array.isArray(value) &&
    value.length === length &&
    value.every((x) => typeof x === "number" && Number.isFinite(x) && x >= low)
  );
}
