import { UserError } from "../core/errors.js";
import { type Preprocessing, usualPreprocessing } from "../core/preprocessing.js";
import type { Architecture, Form } from "./architecture.js";
import { type ArchitectureSpec, architecture, variantName } from "./build-architecture.js";
import { initialState, type Statistics } from "./initialize.js";
import type { Model } from "./model.js";
import { type Variant, variants } from "./zoo.js";

export interface RepvggOptions extends ArchitectureSpec {
  /** Seed of the initial weights. Default 0. */
  readonly seed?: number;
  /**
   * BatchNorms as training begins (γ = 1, β = 0, mean 0, variance 1), or with seeded numbers of the size that training gives, so
   * that a net that was never trained folds visibly. Default `fresh`.
   */
  readonly statistics?: Statistics;
  /** Default `train`. */
  readonly form?: Form;
  /** Class names in the order of the logits; sets `classes` where that is not given. Default "0", "1", …. */
  readonly classNames?: readonly string[];
  /** Height and width of the input, or one number for both. Default: the variant's. */
  readonly inputSize?: number | readonly [height: number, width: number];
  /** Statistics of the training data and so on; the defaults are ImageNet's for three channels and 0.5 for one. */
  readonly preprocessing?: Partial<Preprocessing>;
  /** Where the net comes from: free text by key. Default: its seed. */
  readonly provenance?: Readonly<Record<string, string>>;
}

/**
 * A fresh net with seeded weights, in training form unless told otherwise.
 * @param nameOrSpec a name of the zoo (see {@link architecture}) or a structure of one's own.
 * @throws UserError for unknown names or values that do not fit together.
 */
export function repvgg(nameOrSpec: string | ArchitectureSpec, options: RepvggOptions = {}): Model {
  const {
    seed = 0,
    statistics = "fresh",
    form = "train",
    classNames,
    inputSize,
    preprocessing,
    provenance,
    ...overrides
  } = options;
  const variant: Variant | undefined = typeof nameOrSpec === "string" ? variants[variantName(nameOrSpec)] : undefined;
  const built = architecture(nameOrSpec, classNames ? { classes: classNames.length, ...overrides } : overrides);
  if (classNames && classNames.length !== built.classes) {
    throw new UserError({
      expected: `${built.classes} class names, one a class`,
      received: `${classNames.length}`,
      remedy: "leave out `classes`, or name them all",
    });
  }
  if (!Number.isSafeInteger(seed)) throw new UserError({ expected: "seed: a whole number", received: String(seed) });
  return {
    architecture: built,
    form,
    state: initialState(built, form, seed, statistics),
    metadata: {
      classNames: classNames ?? Array.from({ length: built.classes }, (_, i) => String(i)),
      preprocessing: defaultPreprocessing(built, variant, inputSize, preprocessing),
      provenance: { initialSeed: String(seed), ...provenance },
    },
  };
}

/**
 * How pictures are prepared for a net: the variant's size (else 224×224), ImageNet's statistics (0.5 for one channel).
 * @param given takes precedence over all of that.
 * @throws UserError for a net that does not read pictures of 1 or 3 channels, or sizes that are none.
 */
export function defaultPreprocessing(
  built: Architecture,
  variant: Variant | undefined,
  inputSize: RepvggOptions["inputSize"],
  given: Partial<Preprocessing> = {},
): Preprocessing {
  const channels = built.inputChannels;
  if (channels !== 1 && channels !== 3) {
    throw new UserError({
      expected: "1 (grey) or 3 (RGB) input channels for a net that reads pictures",
      received: `${channels}`,
      remedy: "use architecture() and initialState() for other inputs",
    });
  }
  const side = inputSize ?? variant?.inputSize ?? 224;
  const size = given.size ?? (typeof side === "number" ? ([side, side] as const) : side);
  if (size.length !== 2 || size.some((pixels) => !Number.isInteger(pixels) || pixels < 1 || pixels > 16_384)) {
    throw new UserError({ expected: "inputSize: whole numbers from 1 to 16384", received: `${size.join("×")}` });
  }
  return { ...usualPreprocessing(channels, size), ...given };
}
