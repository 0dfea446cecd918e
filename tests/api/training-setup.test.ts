import { describe, expect, it } from "vitest";
import { repvgg } from "#repvgg/nn/repvgg.js";
import { configFor } from "#repvgg/recipe/training-setup.js";

const small = repvgg("nano", { inputSize: 28 });

describe("configFor", () => {
  it("varies pictures by the size of the net's input, unless told otherwise", () => {
    expect(configFor(small, {}).augmentation.crop).toMatchObject({ kind: "pad", padding: 3 });
    expect(configFor(repvgg("nano", { inputSize: 128 }), {}).augmentation.crop?.kind).toBe("random-resized");
    expect(configFor(small, { augmentation: "none" }).augmentation).toEqual({});
  });

  it("adds random erasing to any augmentation, or takes it out", () => {
    const erasing = { probability: 0.5, scale: [0.02, 0.33], ratio: [0.3, 3.3], fill: "noise" };
    expect(configFor(small, { augmentation: "flip", erasing: 0.5 }).augmentation).toEqual({ flip: 0.5, erasing });
    expect(
      configFor(small, { augmentation: { erasing: { ...erasing, probability: 1, fill: 0 } as never }, erasing: 0 }),
    ).toMatchObject({
      augmentation: { erasing: { probability: 0 } },
    });
    expect(() => configFor(small, { erasing: 1.5 })).toThrow(
      "expected augmentation's erasing.probability as a number in [0, 1]",
    );
  });
});
