import { describe, expect, it } from "vitest";
import { pixelWarnings, preprocessingWarnings } from "#repvgg/analysis/diagnosis/preprocessing.js";
import { imagenetMean, imagenetStd, type Preprocessing } from "#repvgg/core/preprocessing.js";

const imagenet: Preprocessing = {
  size: [224, 224],
  channels: 3,
  mean: imagenetMean,
  std: imagenetStd,
  interpolation: "bilinear",
  cropRatio: 0.875,
};

describe("preprocessingWarnings", () => {
  it("names every field that differs, and no other", () => {
    expect(preprocessingWarnings(imagenet, { ...imagenet, mean: [...imagenetMean] })).toEqual([]);
    const asked = { ...imagenet, size: [256, 256] as const, std: [1, 1, 1] };
    expect(preprocessingWarnings(imagenet, asked)).toEqual([
      { field: "size", message: expect.stringMatching(/^size \[256, 256\] is asked for, .* says \[224, 224\]/) },
      { field: "std", message: expect.stringMatching(/^std \[1, 1, 1\] .* \[0\.229, 0\.224, 0\.225\]/) },
    ]);
  });
});

describe("pixelWarnings", () => {
  it.each([
    ["photographs", [0.49, 0.48, 0.45], [0.25, 0.24, 0.26]],
    ["dark photographs", [0.3, 0.28, 0.25], [0.2, 0.2, 0.2]],
  ])("says nothing of %s", (_, mean, std) => {
    expect(pixelWarnings({ mean, std }, imagenet)).toEqual([]);
  });

  it.each([
    ["digits on black", [0.13, 0.13, 0.13], [0.31, 0.31, 0.31]],
    ["pictures of hardly any contrast", [0.5, 0.45, 0.4], [0.1, 0.1, 0.1]],
  ])("warns of %s", (_, mean, std) => {
    expect(pixelWarnings({ mean, std }, imagenet)).toEqual([
      { field: "pixels", message: expect.stringContaining("the net was trained on other pictures") },
    ]);
  });

  it("warns of a mean in 0 … 255", () => {
    const bytes = { mean: [123.7, 116.3, 103.5], std: [58.4, 57.1, 57.4] };
    expect(pixelWarnings({ mean: [0.49, 0.48, 0.45], std: [0.25, 0.24, 0.26] }, bytes)).toHaveLength(1);
  });
});
