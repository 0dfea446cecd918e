import { describe, expect, it } from "vitest";
import { UserError } from "#repvgg/core/errors.js";
import { type TrainConfig, trainConfig } from "#repvgg/train/config.js";

const augmentation = { flip: 0.5 };
const made = (overrides: object): TrainConfig => trainConfig({ augmentation, ...overrides });

it("has the documented defaults", () => {
  expect(made({})).toEqual({
    ...{ epochs: 10, batchSize: 128, accumulate: 1, optimizer: "sgd", learningRate: 0.1, warmupEpochs: 0.5 },
    ...{ momentum: 0.9, nesterov: true, weightDecay: 1e-4, customL2: false, labelSmoothing: 0, mixup: 0, cutmix: 0 },
    ...{
      ema: 0,
      auxiliaryWeight: 0.1,
      freeze: 0,
      batchNorm: "live",
      backboneRate: 1,
      layerDecay: 1,
      choose: "best",
      patience: 0,
      balance: "none",
      balanceStrength: 1,
      seed: 0,
      augmentation,
    },
  });
  expect(made({ epochs: undefined, nesterov: undefined })).toEqual(made({}));
});

const wholeNumber = [0.5, 0, -1, Number.NaN, "1"];
const fraction = [-0.001, 1, 1.5, Number.NaN];
const notNegative = [-0.001, Number.POSITIVE_INFINITY, Number.NaN];

/** Each number: values at its borders that are taken, and such that are not. */
const borders: Record<string, { taken: number[]; refused: unknown[]; expected: string }> = {
  epochs: { taken: [1, 1000], refused: wholeNumber, expected: "a whole number ≥ 1" },
  batchSize: { taken: [1, 4096], refused: wholeNumber, expected: "a whole number ≥ 1" },
  accumulate: { taken: [1, 64], refused: wholeNumber, expected: "a whole number ≥ 1" },
  learningRate: { taken: [1e-9, 5], refused: [0, ...notNegative], expected: "a number > 0" },
  warmupEpochs: { taken: [0, 0.25, 5], refused: notNegative, expected: "a number ≥ 0" },
  momentum: { taken: [0, 0.999], refused: fraction, expected: "a number from 0 to below 1" },
  weightDecay: { taken: [0, 2], refused: notNegative, expected: "a number ≥ 0" },
  labelSmoothing: { taken: [0, 0.999], refused: fraction, expected: "a number from 0 to below 1" },
  mixup: { taken: [0, 2], refused: notNegative, expected: "a number ≥ 0" },
  cutmix: { taken: [0, 2], refused: notNegative, expected: "a number ≥ 0" },
  ema: { taken: [0, 0.9999], refused: fraction, expected: "a number from 0 to below 1" },
  auxiliaryWeight: { taken: [0, 2], refused: notNegative, expected: "a number ≥ 0" },
  freeze: { taken: [0, 3], refused: [0.5, -1], expected: '"all-but-head" or a number of stages ≥ 0' },
  backboneRate: { taken: [1e-6, 1, 4], refused: [0, ...notNegative], expected: "a number > 0" },
  layerDecay: { taken: [1e-6, 1], refused: [0, 1.001, -1, Number.NaN], expected: "a number above 0, at most 1" },
  patience: { taken: [0, 20], refused: [0.5, -1, Number.NaN, "1"], expected: "a whole number ≥ 0" },
  balanceStrength: { taken: [1e-3, 2], refused: [0, 2.001, -1, Number.NaN], expected: "a number above 0, at most 2" },
  seed: { taken: [0, 2 ** 32 - 1], refused: [-1, 2 ** 32, 0.5, Number.NaN], expected: "a whole number from 0 to" },
};

describe.each(Object.entries(borders))("%s", (field, { taken, refused, expected }) => {
  it.each(taken)("may be %d", (value) => {
    expect(made({ [field]: value })).toEqual({ ...made({}), [field]: value });
  });

  it.each(refused)("may not be %s", (value) => {
    const wrong = () => made({ [field]: value });
    expect(wrong).toThrow(UserError);
    expect(wrong).toThrow(`expected ${field} to be ${expected}`);
    expect(wrong).toThrow(`received ${value}`);
  });
});

it("has a rule for every number", () => {
  const numbers = Object.entries(made({})).filter(([, value]) => typeof value === "number");
  expect(Object.keys(borders).sort()).toEqual(numbers.map(([field]) => field).sort());
});

it("knows two optimizers, refuses unknown fields with the nearest known one, and checks the augmentation", () => {
  expect(made({ optimizer: "adamw" }).optimizer).toBe("adamw");
  expect(() => made({ optimizer: "adam" })).toThrow('expected optimizer "sgd" or "adamw", received "adam"');
  expect(() => made({ momentums: 0.5 })).toThrow('received "momentums": did you mean "momentum"?');
  expect(() => made({ augmentations: 0.5 })).toThrow('did you mean "augmentation"?');
  expect(() => made({ qqqqqqqqqqqq: 1 })).toThrow(
    /expected a known training option, received "qqqqqqqqqqqq": there are epochs, .* and augmentation$/,
  );
  expect(() => made({ augmentation: { flip: 3 } })).toThrow(/augmentation's flip/);
});

it("refuses a batch that does not divide into equal parts", () => {
  expect(made({ batchSize: 12, accumulate: 4 }).accumulate).toBe(4);
  expect(() => made({ batchSize: 12, accumulate: 5 })).toThrow(/received batch size 12 in 5 parts/);
  expect(() => made({ batchSize: 2, accumulate: 4 })).toThrow(/received batch size 2 in 4 parts/);
});
