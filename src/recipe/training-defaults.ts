import type { AugmentationPreset } from "../data/augmentation/config.js";
import { type VariantName, variants } from "../nn/zoo.js";

/** What is known of pictures before they are decoded. */
export interface PictureFacts {
  /** Pictures to train on. */
  readonly pictures: number;
  /** The median picture's, in pixels. */
  readonly width: number;
  readonly height: number;
}

/** Pictures whose longer side is at most this are taken as they are; larger ones are resized. */
const smallPicture = 64;

/** Input sizes that photographs are resized to: multiples of 32, which five halvings divide. */
const sizes = [32, 64, 96, 128, 160, 192, 224, 256, 288, 320];

/** Of nets that the zoo makes for small pictures: beyond this many photographs the larger input pays for its time. */
const manyPhotographs = 5_000;

/** Pictures from which the second smallest net of the zoo learns more than the smallest. */
const picturesForTiny = 20_000;

/** Input size from which pictures are cropped at random, as the paper trains. */
export const randomCropsFrom = 128;

/** Steps that a net needs from fresh weights: fewer pictures are looked at more often. */
const wantedSteps = 1_000;

/** As {@link wantedSteps}, from weights that were trained before. */
const wantedTuningSteps = 600;

const epochChoices = [10, 15, 20, 30, 40, 60, 80, 100];

/** What `trainConfig` has for a batch and its learning rate. */
const fullBatch = 128;
const rateOfFullBatch = { sgd: 0.1, adamw: 0.001 } as const;

/** The zoo's net for so many pictures: one that a CPU trains in minutes to hours. */
export function netFor({ pictures }: Pick<PictureFacts, "pictures">): VariantName {
  return pictures < picturesForTiny ? "nano" : "tiny";
}

/**
 * The input's height and width. Small pictures keep theirs. Photographs get a square that their shorter side fills: 96 for nets that the
 * zoo makes for small pictures (128 where there are many photographs), for others at most the size that they are made for.
 * @param name of the zoo; undefined for a net from scratch
 */
export function inputSizeFor(
  { pictures, width, height }: PictureFacts,
  name: string | undefined,
): readonly [height: number, width: number] {
  if (Math.max(width, height) <= smallPicture) return [height, width];
  const own = variantNamed(name)?.inputSize ?? 224;
  const most = own > smallPicture ? own : pictures < manyPhotographs ? 96 : 128;
  const side = sizes.findLast((size) => size <= Math.min(width, height, most)) ?? sizes[0]!;
  return [side, side];
}

/** How photographs are varied that a small input shows: at its borders more of the picture instead of black. Undefined: as ever. */
export function augmentationFor(
  { width, height }: PictureFacts,
  [, side]: readonly [height: number, width: number],
): AugmentationPreset | undefined {
  return Math.max(width, height) > smallPicture && side < randomCropsFrom ? "small-photographs" : undefined;
}

/**
 * Pictures of one step: a sixteenth of all, as a power of 2 from 8 to 128, never more than there are.
 * @param parts that it has to divide into (`TrainConfig.accumulate`)
 */
export function batchSizeFor(pictures: number, parts = 1): number {
  const powerOf2 = (most: number): number => 2 ** Math.floor(Math.log2(Math.max(1, most)));
  const batch = Math.min(fullBatch, Math.max(8, powerOf2(pictures / 16)), powerOf2(pictures));
  return Math.ceil(batch / parts) * parts;
}

/** Passes over the pictures, 10 to 100. @param tuned the weights were trained before */
export function epochsFor(pictures: number, batchSize: number, tuned: boolean): number {
  const steps = Math.max(1, Math.floor(pictures / batchSize));
  const wanted = (tuned ? wantedTuningSteps : wantedSteps) / steps;
  return epochChoices.find((epochs) => epochs >= wanted) ?? epochChoices.at(-1)!;
}

/**
 * The learning rate after warm-up: SGD's grows with the root of the batch, as the noise of a mean does (Krizhevsky 2014, "One weird
 * trick for parallelizing convolutional neural networks", section 5), up to that of 128 pictures.
 */
export function learningRateFor(batchSize: number, optimizer: "sgd" | "adamw"): number {
  const scale = Math.sqrt(Math.min(1, batchSize / fullBatch));
  return Number((rateOfFullBatch[optimizer] * scale).toPrecision(2));
}

function variantNamed(name: string | undefined) {
  const plain = name?.toLowerCase().replace(/^repvgg(plus)?[-_]?/, "");
  return Object.entries(variants).find(([known]) => known.toLowerCase() === plain)?.[1];
}
