import type { Rng } from "../../core/rng.js";
import type { Image } from "../dataset.js";
import type { RandomErasing } from "./config.js";

/** Random erasing (Zhong et al. 2020): ten tries of a rectangle smaller than the picture, else the picture as it is. */
export function eraseRandomly(image: Image, config: RandomErasing, rng: Rng): Image {
  const { width, height, channels } = image;
  if (rng.next() >= config.probability) return image;
  for (let attempt = 0; attempt < 10; attempt++) {
    const area = height * width * rng.uniform(...config.scale);
    const ratio = Math.exp(rng.uniform(Math.log(config.ratio[0]), Math.log(config.ratio[1])));
    const h = Math.round(Math.sqrt(area * ratio));
    const w = Math.round(Math.sqrt(area / ratio));
    if (h < 1 || w < 1 || h >= height || w >= width) continue;
    const top = rng.int(height - h + 1);
    const left = rng.int(width - w + 1);
    const data = image.data.slice();
    for (let y = top; y < top + h; y++) {
      const from = (y * width + left) * channels;
      const to = from + w * channels;
      if (config.fill !== "noise") data.fill(config.fill, from, to);
      else for (let i = from; i < to; i++) data[i] = rng.nextUint32() >>> 24;
    }
    return { ...image, data };
  }
  return image;
}
