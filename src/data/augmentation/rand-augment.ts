import type { Rng } from "../../core/rng.js";
import { roundHalfEven } from "../../core/rounding.js";
import type { Image } from "../dataset.js";
import { affine, rotation } from "./affine.js";
import {
  adjustBrightness,
  adjustContrast,
  adjustSaturation,
  adjustSharpness,
  autoContrast,
  equalize,
  posterize,
  solarize,
} from "./color.js";
import type { RandAugment } from "./config.js";

/** The number of magnitudes, 0 … 30, as in torchvision. */
const bins = 31;

/** One operation of RandAugment at a strength in [0, 1] (magnitude / 30); signed ones also get −1 or 1. */
interface Operation {
  readonly name: string;
  readonly signed: boolean;
  readonly apply: (image: Image, strength: number, sign: number) => Image;
}

const enhance = (name: string, adjust: (image: Image, factor: number) => Image): Operation => ({
  name,
  signed: true,
  apply: (image, strength, sign) => adjust(image, 1 + sign * strength * 0.9),
});

/** torchvision's list of operations and their ranges (`torchvision.transforms.RandAugment`, nearest neighbour, black fill). */
export const randAugmentOperations: readonly Operation[] = [
  { name: "Identity", signed: false, apply: (image) => image },
  {
    name: "ShearX",
    signed: true,
    apply: (image, strength, sign) => affine(image, [1, sign * strength * 0.3, 0, 0, 1, 0]),
  },
  {
    name: "ShearY",
    signed: true,
    apply: (image, strength, sign) => affine(image, [1, 0, 0, sign * strength * 0.3, 1, 0]),
  },
  {
    name: "TranslateX",
    signed: true,
    apply: (image, strength, sign) => affine(image, [1, 0, -shift(image.width, strength, sign), 0, 1, 0]),
  },
  {
    name: "TranslateY",
    signed: true,
    apply: (image, strength, sign) => affine(image, [1, 0, 0, 0, 1, -shift(image.height, strength, sign)]),
  },
  {
    name: "Rotate",
    signed: true,
    apply: (image, strength, sign) => affine(image, rotation(image, sign * strength * 30)),
  },
  enhance("Brightness", adjustBrightness),
  enhance("Color", adjustSaturation),
  enhance("Contrast", adjustContrast),
  enhance("Sharpness", adjustSharpness),
  {
    name: "Posterize",
    signed: false,
    apply: (image, strength) => posterize(image, 8 - roundHalfEven((strength * (bins - 1)) / ((bins - 1) / 4))),
  },
  { name: "Solarize", signed: false, apply: (image, strength) => solarize(image, 255 - 255 * strength) },
  { name: "AutoContrast", signed: false, apply: autoContrast },
  { name: "Equalize", signed: false, apply: equalize },
];

function shift(size: number, strength: number, sign: number): number {
  return Math.trunc(sign * strength * (150 / 331) * size);
}

/** Applies `operations` operations, each drawn from all of them, at one magnitude. */
export function randAugment(image: Image, config: RandAugment, rng: Rng): Image {
  let result = image;
  for (let i = 0; i < config.operations; i++) {
    const operation = randAugmentOperations[rng.int(randAugmentOperations.length)]!;
    const sign = operation.signed && rng.next() < 0.5 ? -1 : 1;
    result = operation.apply(result, config.magnitude / (bins - 1), sign);
  }
  return result;
}
