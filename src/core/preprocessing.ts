/** How a picture becomes the net's input; stored in every model file, so that the file alone can classify. */
export interface Preprocessing {
  /** Height and width of the net's input in pixels. */
  readonly size: readonly [height: number, width: number];
  /** 1 (grey) or 3 (RGB). */
  readonly channels: 1 | 3;
  /** Per channel, of values in [0, 1]: input = (value / 255 − mean) / std. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** Antialiased bilinear, as torchvision and PIL do it: the only one that is offered. */
  readonly interpolation: "bilinear";
  /**
   * The shorter side is resized to `size / cropRatio` and the centre is cropped (ImageNet: 224 / 256 = 0.875).
   * 1: resized straight to the input size when the picture is square, else shorter side first and then cropped.
   */
  readonly cropRatio: number;
}

/** Statistics of ImageNet, which the published models use. */
export const imagenetMean: readonly number[] = [0.485, 0.456, 0.406];
export const imagenetStd: readonly number[] = [0.229, 0.224, 0.225];
