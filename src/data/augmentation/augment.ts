import type { Rng } from "../../core/rng.js";
import type { Image } from "../dataset.js";
import { type Framing, frameForEvaluation } from "../evaluation-transform.js";
import { flipHorizontal, toChannels } from "../image.js";
import { resize } from "../resize.js";
import { jitterColors } from "./color.js";
import type { AugmentationConfig } from "./config.js";
import { padAndCrop, randomResizedCropRegion } from "./crops.js";
import { randAugment } from "./rand-augment.js";
import { eraseRandomly } from "./random-erasing.js";

/**
 * A varied picture of exactly the framing's size and channels. It depends on the picture, the configuration and the
 * generator alone; the picture is not changed.
 */
export function augment(image: Image, config: AugmentationConfig, framing: Framing, rng: Rng): Image {
  let result = cropped(image, config, framing, rng);
  if (config.flip !== undefined && rng.next() < config.flip) result = flipHorizontal(result);
  if (config.randAugment) result = randAugment(result, config.randAugment, rng);
  if (config.colorJitter) result = jitterColors(result, config.colorJitter, rng);
  if (config.erasing) result = eraseRandomly(result, config.erasing, rng);
  return result;
}

function cropped(image: Image, { crop }: AugmentationConfig, framing: Framing, rng: Rng): Image {
  if (crop?.kind === "random-resized") {
    const source = toChannels(image, framing.channels);
    const region = randomResizedCropRegion(source.height, source.width, crop, rng);
    return resize(source, framing.size[0], framing.size[1], { region });
  }
  const framed = frameForEvaluation(image, framing);
  if (!crop) return framed;
  const top = rng.int(2 * crop.padding + 1);
  const left = rng.int(2 * crop.padding + 1);
  return padAndCrop(framed, crop.padding, crop.fill, top, left);
}
