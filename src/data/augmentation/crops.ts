import type { Rng } from "../../core/rng.js";
import type { Image } from "../dataset.js";
import { blankLike, crop, type Region } from "../image.js";
import type { RandomResizedCrop } from "./config.js";

/**
 * The rectangle of torchvision's RandomResizedCrop: ten tries of a random area and aspect that fit into the picture,
 * else the largest centred rectangle whose aspect is within the range.
 */
export function randomResizedCropRegion(height: number, width: number, config: RandomResizedCrop, rng: Rng): Region {
  const [minRatio, maxRatio] = config.ratio;
  for (let attempt = 0; attempt < 10; attempt++) {
    const area = height * width * rng.uniform(...config.scale);
    const ratio = Math.exp(rng.uniform(Math.log(minRatio), Math.log(maxRatio)));
    const w = Math.round(Math.sqrt(area * ratio));
    const h = Math.round(Math.sqrt(area / ratio));
    if (w > 0 && w <= width && h > 0 && h <= height) {
      return { top: rng.int(height - h + 1), left: rng.int(width - w + 1), height: h, width: w };
    }
  }
  const ratio = Math.min(maxRatio, Math.max(minRatio, width / height));
  const w = Math.max(1, Math.min(width, Math.round(height * ratio)));
  const h = Math.max(1, Math.min(height, Math.round(width / ratio)));
  return { top: Math.floor((height - h) / 2), left: Math.floor((width - w) / 2), height: h, width: w };
}

/** The picture shifted by (top, left) − padding: a crop of the padded picture at (top, left), of the picture's own size. */
export function padAndCrop(image: Image, padding: number, fill: "zero" | "reflect", top: number, left: number): Image {
  const { width, height, channels } = image;
  if (fill === "zero") return crop(image, { top: top - padding, left: left - padding, height, width });
  const result = blankLike(image);
  for (let y = 0; y < height; y++) {
    const row = reflect(y + top - padding, height) * width;
    for (let x = 0; x < width; x++) {
      const from = (row + reflect(x + left - padding, width)) * channels;
      for (let c = 0; c < channels; c++) result.data[(y * width + x) * channels + c] = image.data[from + c]!;
    }
  }
  return result;
}

/** Mirrored index without repeating the edge: −1 → 1, size → size − 2. */
function reflect(index: number, size: number): number {
  if (size === 1) return 0;
  const period = 2 * (size - 1);
  const folded = ((index % period) + period) % period;
  return folded < size ? folded : period - folded;
}
