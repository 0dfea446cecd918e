import type { Architecture } from "./architecture.js";

/** A named net: its structure without the parts that everybody sets for himself (classes, input channels). */
export interface Variant {
  readonly family: Architecture["family"];
  readonly depths: readonly number[];
  /** Output channels of [stage 0, stage 1, …]. */
  readonly widths: readonly number[];
  readonly strides: readonly number[];
  /** Groups of every second layer (2, 4, 6, …, counted from 1 at `stage1.0`); 1: none. */
  readonly alternateGroups: number;
  readonly squeezeExcite: Architecture["squeezeExcite"];
  readonly classes: number;
  readonly inputChannels: number;
  /** Height and width of the pictures that it was made for. */
  readonly inputSize: number;
}

const depthsA = [2, 4, 14, 1];
const depthsB = [4, 6, 16, 1];
const depthsD = [8, 14, 24, 1];

/** A net of the paper (section 3.4, table 2): four stages, every first block with stride 2, ImageNet's 1000 classes. */
function published(depths: readonly number[], a: number, b: number, more: Partial<Variant> = {}): Variant {
  return {
    family: "repvgg",
    depths,
    widths: multipliedWidths([a, a, a, b]),
    strides: [2, 2, 2, 2, 2],
    alternateGroups: 1,
    squeezeExcite: null,
    classes: 1000,
    inputChannels: 3,
    inputSize: 224,
    ...more,
  };
}

/**
 * Channels by width multipliers, one a stage: stage s (from 1) has ⌊64 · 2^(s−1) · multiplier⌋ and stage 0 at most 64:
 * min(64, ⌊64 · first multiplier⌋).
 */
export function multipliedWidths(multipliers: readonly number[]): number[] {
  const stages = multipliers.map((multiplier, index) => Math.floor(64 * 2 ** index * multiplier));
  return [Math.min(64, stages[0]!), ...stages];
}

/** Every net that has a name, by its name. Sources: the paper's table 2 and the authors' repository (D2se, RepVGGplus). */
export const variants = {
  A0: published(depthsA, 0.75, 2.5),
  A1: published(depthsA, 1, 2.5),
  A2: published(depthsA, 1.5, 2.75),
  B0: published(depthsB, 1, 2.5),
  B1: published(depthsB, 2, 4),
  B1g2: published(depthsB, 2, 4, { alternateGroups: 2 }),
  B1g4: published(depthsB, 2, 4, { alternateGroups: 4 }),
  B2: published(depthsB, 2.5, 5),
  B2g2: published(depthsB, 2.5, 5, { alternateGroups: 2 }),
  B2g4: published(depthsB, 2.5, 5, { alternateGroups: 4 }),
  B3: published(depthsB, 3, 5),
  B3g2: published(depthsB, 3, 5, { alternateGroups: 2 }),
  B3g4: published(depthsB, 3, 5, { alternateGroups: 4 }),
  D2se: published(depthsD, 2.5, 5, { squeezeExcite: { position: "before-relu", ratio: 16 }, inputSize: 320 }),
  L2pse: published(depthsD, 2.5, 5, {
    family: "repvggplus",
    squeezeExcite: { position: "after-relu", ratio: 4 },
    inputSize: 320,
  }),
  // For pictures of about 28×28 to 32×32 pixels: the first block keeps the resolution, the last stage works on 4×4.
  nano: {
    family: "repvgg",
    depths: [2, 2, 2],
    widths: [16, 24, 48, 96],
    strides: [1, 2, 2, 2],
    alternateGroups: 1,
    squeezeExcite: null,
    classes: 10,
    inputChannels: 1,
    inputSize: 28,
  },
  tiny: {
    family: "repvgg",
    depths: [2, 3, 2],
    widths: [16, 32, 64, 192],
    strides: [1, 2, 2, 2],
    alternateGroups: 1,
    squeezeExcite: null,
    classes: 10,
    inputChannels: 1,
    inputSize: 28,
  },
} as const satisfies Record<string, Variant>;

/** Name of a net of the zoo. */
export type VariantName = keyof typeof variants;

/** The nets of the zoo: the paper's (A0 … D2se), RepVGGplus (L2pse), and two for small pictures (nano, tiny). */
export const variantNames = Object.keys(variants) as readonly VariantName[];
