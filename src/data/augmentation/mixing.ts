import { rngFor } from "../../core/rng.js";
import type { Region } from "../image.js";

/** Mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019): plain JSON. Both given: each batch draws one with equal chance. */
export interface MixingConfig {
  /** α of mixup's Beta(α, α); left out or 0: no mixup. Usual on ImageNet: 0.2. */
  readonly mixup?: number;
  /** α of CutMix's Beta(α, α); left out or 0: no CutMix. Usual: 1. */
  readonly cutmix?: number;
}

/** How one batch is mixed: picture i is blended with, or gets a rectangle of, picture `partner[i]`. */
export interface Mixing {
  readonly kind: "mixup" | "cutmix";
  /** Weight of the picture's own label, in [0, 1]; its partner's is 1 − lambda. In mixup also the weight of the pixels. */
  readonly lambda: number;
  readonly partner: Int32Array;
  /** CutMix: the rectangle that comes from the partner (may be empty). Mixup: undefined. */
  readonly region: Region | undefined;
}

/**
 * Draws the mixing of one batch; it depends on the arguments alone. Mixup itself happens on floats, where it is exact:
 * x = λ·x + (1 − λ)·x[partner], in the trainer. CutMix copies pixels: {@link cutRegions}.
 * @returns undefined where nothing is to be mixed
 */
export function drawMixing(
  config: MixingConfig,
  seed: number,
  epoch: number,
  step: number,
  batch: { readonly size: number; readonly height: number; readonly width: number },
): Mixing | undefined {
  const { mixup = 0, cutmix = 0 } = config;
  if ((mixup <= 0 && cutmix <= 0) || batch.size < 2) return undefined;
  const rng = rngFor(seed, "mixing", epoch, step);
  const cut = cutmix > 0 && (mixup <= 0 || rng.next() < 0.5);
  const lambda = cut ? rng.beta(cutmix, cutmix) : rng.beta(mixup, mixup);
  const partner = rng.shuffle(Int32Array.from({ length: batch.size }, (_, i) => i));
  if (!cut) return { kind: "mixup", lambda, partner, region: undefined };

  // A rectangle of the area 1 − λ about a random centre, cut at the border; λ becomes what is left (torchvision's reference).
  const reach = 0.5 * Math.sqrt(1 - lambda);
  const [y, x] = [rng.int(batch.height), rng.int(batch.width)];
  const [reachY, reachX] = [Math.trunc(reach * batch.height), Math.trunc(reach * batch.width)];
  const top = Math.max(0, y - reachY);
  const left = Math.max(0, x - reachX);
  const height = Math.min(batch.height, y + reachY) - top;
  const width = Math.min(batch.width, x + reachX) - left;
  const region = { top, left, height, width };
  return { kind: "cutmix", lambda: 1 - (height * width) / (batch.height * batch.width), partner, region };
}

/** CutMix on pixels [size][height][width][channels] of any type, in place. */
export function cutRegions<T extends Uint8Array | Float32Array>(
  pixels: T,
  shape: { readonly size: number; readonly height: number; readonly width: number; readonly channels: number },
  mixing: Mixing,
): T {
  const { region } = mixing;
  if (!region) return pixels;
  const original = pixels.slice();
  const row = shape.width * shape.channels;
  for (let i = 0; i < shape.size; i++) {
    for (let y = region.top; y < region.top + region.height; y++) {
      const at = y * row + region.left * shape.channels;
      const from = mixing.partner[i]! * shape.height * row + at;
      pixels.set(original.subarray(from, from + region.width * shape.channels), i * shape.height * row + at);
    }
  }
  return pixels;
}

/**
 * Target distributions [labels.length][classes]: one-hot, smoothed (1 − s on the class, plus s / classes everywhere), mixed.
 * Each row sums to 1.
 */
export function softTargets(labels: Int32Array, classes: number, smoothing = 0, mixing?: Mixing): Float32Array {
  const targets = new Float32Array(labels.length * classes).fill(smoothing / classes);
  for (let i = 0; i < labels.length; i++) {
    const own = mixing ? mixing.lambda : 1;
    targets[i * classes + labels[i]!]! += (1 - smoothing) * own;
    if (mixing) targets[i * classes + labels[mixing.partner[i]!]!]! += (1 - smoothing) * (1 - own);
  }
  return targets;
}
