import { rngFor } from "../core/rng.js";
import { augment } from "../data/augmentation/augment.js";
import { cutRegions, drawMixing, type Mixing } from "../data/augmentation/mixing.js";
import type { Image } from "../data/dataset.js";
import type { Framing } from "../data/evaluation-transform.js";
import type { TrainConfig } from "../train/config.js";

/** A picture of a data set, decoded. */
export interface Shown {
  /** In the data set: its variation depends on it. */
  readonly index: number;
  readonly image: Image;
}

/** How pictures are varied and mixed. */
type Law = Pick<TrainConfig, "augmentation" | "mixup" | "cutmix" | "seed">;

/**
 * What a net is shown of pictures in an epoch: the pixels that a loader's batches have of them; mixed among each other as the epoch's first
 * step would mix them, were they its batch.
 * @returns pictures of the framing's size, and how they were mixed
 */
export function variantsIn(
  epoch: number,
  pictures: readonly Shown[],
  law: Law,
  framing: Framing,
): { readonly images: readonly Image[]; readonly mixing: Mixing | undefined } {
  const images = pictures.map(({ index, image }) =>
    augment(image, law.augmentation, framing, rngFor(law.seed, "augment", epoch, index)),
  );
  const { width, height, channels } = images[0]!;
  const shape = { size: images.length, height, width, channels };
  const mixing = drawMixing(law, law.seed, epoch, 0, shape);
  if (!mixing) return { images, mixing };
  const bytes = height * width * channels;
  const pixels = new Uint8Array(images.length * bytes);
  images.forEach(({ data }, i) => {
    pixels.set(data, i * bytes);
  });
  const { lambda, partner } = mixing;
  // Mixup is linear, so that mixing pixels and normalising them is the trainer's normalising and mixing.
  const blended =
    mixing.kind === "cutmix"
      ? cutRegions(pixels, shape, mixing)
      : pixels.map((own, at) => {
          const i = Math.floor(at / bytes);
          return Math.round(lambda * own + (1 - lambda) * pixels[partner[i]! * bytes + (at - i * bytes)]!);
        });
  return {
    images: images.map((image, i) => ({ ...image, data: blended.subarray(i * bytes, (i + 1) * bytes) })),
    mixing,
  };
}

/** The classes of a mixed picture with their shares, in lines; one where both are of one class. */
export function shares(lambda: number, own: string, partner: string): string[] {
  const percent = Math.round(100 * lambda);
  return own === partner || percent === 100 ? [own] : [`${percent}% ${own}`, `${100 - percent}% ${partner}`];
}
