import { nearest, UserError } from "../core/errors.js";
import { type AugmentationConfig, checkAugmentation } from "../data/augmentation/config.js";

/** What is frozen: so many stages, stage 0 counted as one, or all of them. */
export type Freeze = number | "all-but-head";

/** How a net is trained; plain JSON, stored in the run directory and in every checkpoint. */
export interface TrainConfig {
  /** Passes over the training pictures. */
  readonly epochs: number;
  /** Pictures of one optimizer step. */
  readonly batchSize: number;
  /** The batch is computed in this many equal parts whose gradients are averaged (BatchNorm sees the parts). */
  readonly accumulate: number;
  /** SGD with momentum, or AdamW (Loshchilov and Hutter, 2019). */
  readonly optimizer: "sgd" | "adamw";
  /** Learning rate after warm-up; falls to 0 along half a cosine. */
  readonly learningRate: number;
  /** Epochs (also fractions) of linear warm-up. */
  readonly warmupEpochs: number;
  /** SGD: momentum; AdamW: β₁. */
  readonly momentum: number;
  /** SGD only. */
  readonly nesterov: boolean;
  /** On convolution and linear weights and `rbr_identity.weight`, nothing else, as in the paper's code. */
  readonly weightDecay: number;
  /** Decays the equivalent kernels instead of the branches' 3×3 and 1×1 kernels (the authors' `get_custom_L2`). */
  readonly customL2: boolean;
  /** Share of the target that is spread evenly over all classes, in [0, 1). */
  readonly labelSmoothing: number;
  /** α of mixup's Beta(α, α); 0: off. */
  readonly mixup: number;
  /** α of CutMix's Beta(α, α); 0: off. With mixup too, each batch draws one of them. */
  readonly cutmix: number;
  /** Decay of the exponential moving average of the weights that is evaluated and saved; 0: off. */
  readonly ema: number;
  /** Weight of each auxiliary head's loss (RepVGGplus). The authors' code: 0.1. */
  readonly auxiliaryWeight: number;
  /** How training pictures are varied. */
  readonly augmentation: AugmentationConfig;
  /**
   * Stages from stage 0 on that keep weights and BatchNorm statistics (0: none), or "all-but-head". Where pictures are not varied, what
   * a frozen part makes of them is computed once.
   */
  readonly freeze: Freeze;
  /** "frozen": BatchNorms normalise by the statistics that they have, which stay. */
  readonly batchNorm: "live" | "frozen";
  /** The last block's learning rate as a part of the head's. */
  readonly backboneRate: number;
  /** Each block learns at this part of the next one's rate. */
  readonly layerDecay: number;
  /** Where there are validation pictures: which epoch's net the training gives, the latest that they cannot tell from the best, or the last. */
  readonly choose: "best" | "last";
  /** Ends the training when in so many epochs in a row no more validation pictures were right than before; 0: off. */
  readonly patience: number;
  /** Of order, variation, mixup and CutMix: the same seed gives the same bits. */
  readonly seed: number;
}

const defaults: Omit<TrainConfig, "augmentation"> = {
  epochs: 10,
  batchSize: 128,
  accumulate: 1,
  optimizer: "sgd",
  learningRate: 0.1,
  warmupEpochs: 0.5,
  momentum: 0.9,
  nesterov: true,
  weightDecay: 1e-4,
  customL2: false,
  labelSmoothing: 0,
  mixup: 0,
  cutmix: 0,
  ema: 0,
  auxiliaryWeight: 0.1,
  freeze: 0,
  batchNorm: "live",
  backboneRate: 1,
  layerDecay: 1,
  choose: "best",
  patience: 0,
  seed: 0,
};

interface Rule {
  readonly expected: string;
  test(value: number): boolean;
}

const positiveInteger: Rule = { expected: "a whole number ≥ 1", test: (v) => Number.isInteger(v) && v >= 1 };
const notNegative: Rule = { expected: "a number ≥ 0", test: (v) => Number.isFinite(v) && v >= 0 };
const share: Rule = { expected: "a number from 0 to below 1", test: (v) => v >= 0 && v < 1 };

const rules: Partial<Record<keyof TrainConfig, Rule>> = {
  epochs: positiveInteger,
  batchSize: positiveInteger,
  accumulate: positiveInteger,
  learningRate: { expected: "a number > 0", test: (v) => Number.isFinite(v) && v > 0 },
  warmupEpochs: notNegative,
  momentum: share,
  weightDecay: notNegative,
  labelSmoothing: share,
  mixup: notNegative,
  cutmix: notNegative,
  ema: share,
  auxiliaryWeight: notNegative,
  backboneRate: { expected: "a number > 0", test: (v) => Number.isFinite(v) && v > 0 },
  layerDecay: { expected: "a number above 0, at most 1", test: (v) => v > 0 && v <= 1 },
  patience: { expected: "a whole number ≥ 0", test: (v) => Number.isInteger(v) && v >= 0 },
  seed: { expected: "a whole number from 0 to 2³² − 1", test: (v) => Number.isInteger(v) && v >= 0 && v < 2 ** 32 },
};

/**
 * A whole configuration from the fields that differ from the defaults.
 * @throws UserError naming the first field that is unknown or out of range.
 */
export function trainConfig(overrides: Partial<TrainConfig> & Pick<TrainConfig, "augmentation">): TrainConfig {
  const config: TrainConfig = { ...defaults, ...definedOnly(overrides), augmentation: overrides.augmentation };
  for (const field of Object.keys(config)) {
    if (field in defaults || field === "augmentation") continue;
    const near = nearest(field, [...Object.keys(defaults), "augmentation"]);
    throw new UserError({
      expected: "a known training option",
      received: `"${field}"`,
      remedy: near ? `did you mean "${near}"?` : `there are ${Object.keys(defaults).join(", ")} and augmentation`,
    });
  }
  for (const [field, rule] of Object.entries(rules)) {
    const value = config[field as keyof TrainConfig];
    if (typeof value !== "number" || !rule.test(value)) {
      throw new UserError({ expected: `${field} to be ${rule.expected}`, received: String(value) });
    }
  }
  if (config.optimizer !== "sgd" && config.optimizer !== "adamw") {
    throw new UserError({ expected: 'optimizer "sgd" or "adamw"', received: `"${String(config.optimizer)}"` });
  }
  const { freeze, batchNorm, choose } = config;
  if (freeze !== "all-but-head" && !(Number.isInteger(freeze) && freeze >= 0)) {
    throw new UserError({
      expected: 'freeze to be "all-but-head" or a number of stages ≥ 0, stage 0 counted as one',
      received: JSON.stringify(freeze) ?? "nothing",
    });
  }
  if (batchNorm !== "live" && batchNorm !== "frozen") {
    throw new UserError({ expected: 'batchNorm "live" or "frozen"', received: JSON.stringify(batchNorm) ?? "nothing" });
  }
  if (choose !== "best" && choose !== "last") {
    throw new UserError({ expected: 'choose "best" or "last"', received: JSON.stringify(choose) ?? "nothing" });
  }
  checkAugmentation(config.augmentation);
  if (config.batchSize % config.accumulate !== 0) {
    throw new UserError({
      expected: "a batch size that divides into equal parts",
      received: `batch size ${config.batchSize} in ${config.accumulate} parts`,
    });
  }
  return config;
}

function definedOnly<T extends object>(record: T): Partial<T> {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as Partial<T>;
}
