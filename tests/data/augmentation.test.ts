import { describe, expect, test } from "vitest";
import { UserError } from "#repvgg/core/errors.js";
import { Rng, rngFor } from "#repvgg/core/rng.js";
import { augment } from "#repvgg/data/augmentation/augment.js";
import {
  type AugmentationConfig,
  type AugmentationPreset,
  augmentationPreset,
  augmentationPresets,
  checkAugmentation,
} from "#repvgg/data/augmentation/config.js";
import { padAndCrop, randomResizedCropRegion } from "#repvgg/data/augmentation/crops.js";
import { randAugment, randAugmentOperations } from "#repvgg/data/augmentation/rand-augment.js";
import { eraseRandomly } from "#repvgg/data/augmentation/random-erasing.js";
import { uniform, wavesAndNoise } from "./pictures.js";

const imagenet = { kind: "random-resized", scale: [0.08, 1], ratio: [3 / 4, 4 / 3] } as const;

describe("RandomResizedCrop", () => {
  test("areas and aspects fill their ranges, positions the picture", () => {
    const rng = new Rng(1);
    const [height, width] = [300, 400];
    const regions = Array.from({ length: 4000 }, () => randomResizedCropRegion(height, width, imagenet, rng));
    const areas = regions.map((r) => (r.height * r.width) / (height * width));
    const aspects = regions.map((r) => r.width / r.height);
    expect(Math.min(...areas)).toBeGreaterThan(0.078);
    expect(Math.min(...areas)).toBeLessThan(0.09);
    expect(Math.max(...areas)).toBeLessThanOrEqual(1);
    expect(Math.max(...areas)).toBeGreaterThan(0.95);
    expect(Math.min(...aspects)).toBeGreaterThan(0.73);
    expect(Math.max(...aspects)).toBeLessThan(1.36);
    // The aspect is log-uniform: its logarithm averages 0, but what does not fit is drawn again, which favours wide ones.
    const meanLog = aspects.reduce((sum, a) => sum + Math.log(a), 0) / aspects.length;
    expect(Math.abs(meanLog)).toBeLessThan(0.05);
    // Rejection of what does not fit lowers the mean area below the uniform 0.54: its integral over area and aspect.
    const meanArea = areas.reduce((sum, a) => sum + a, 0) / areas.length;
    expect(Math.abs(meanArea - acceptedMeanArea(height, width))).toBeLessThan(0.02);
    for (const r of regions) {
      expect(r.top >= 0 && r.left >= 0 && r.top + r.height <= height && r.left + r.width <= width).toBe(true);
    }
    const centre = regions.reduce((sum, r) => sum + r.left + r.width / 2, 0) / regions.length;
    expect(Math.abs(centre - width / 2)).toBeLessThan(4);
  });

  test("takes the largest centred rectangle where none fits", () => {
    const config = { kind: "random-resized", scale: [0.9, 1], ratio: [3 / 4, 4 / 3] } as const;
    expect(randomResizedCropRegion(10, 100, config, new Rng(1))).toEqual({ top: 0, left: 43, height: 10, width: 13 });
    expect(randomResizedCropRegion(100, 9, config, new Rng(1))).toEqual({ top: 44, left: 0, height: 12, width: 9 });
  });
});

/** The mean of areas that fit, by the midpoint rule, for the ImageNet ranges. */
function acceptedMeanArea(height: number, width: number): number {
  const [steps, low, high] = [200, Math.log(3 / 4), Math.log(4 / 3)];
  let [sum, count] = [0, 0];
  for (let i = 0; i < steps; i++) {
    for (let j = 0; j < steps; j++) {
      const area = 0.08 + (0.92 * (i + 0.5)) / steps;
      const ratio = Math.exp(low + ((high - low) * (j + 0.5)) / steps);
      const fits = area * ratio <= width / height && area / ratio <= height / width;
      if (fits) [sum, count] = [sum + area, count + 1];
    }
  }
  return sum / count;
}

describe("pad and crop", () => {
  const image = { width: 3, height: 2, channels: 1 as const, data: Uint8Array.of(1, 2, 3, 4, 5, 6) };
  test("the middle is the picture", () => {
    expect(padAndCrop(image, 2, "zero", 2, 2)).toEqual(image);
    expect(padAndCrop(image, 2, "reflect", 2, 2)).toEqual(image);
  });
  test("shifts bring zeros or the reflected picture", () => {
    expect([...padAndCrop(image, 1, "zero", 0, 2).data]).toEqual([0, 0, 0, 2, 3, 0]);
    expect([...padAndCrop(image, 1, "reflect", 0, 2).data]).toEqual([5, 6, 5, 2, 3, 2]);
    expect([...padAndCrop(image, 2, "reflect", 2, 0).data]).toEqual([3, 2, 1, 6, 5, 4]);
  });
});

describe("RandAugment", () => {
  test("has torchvision's operations", () => {
    expect(randAugmentOperations.map(({ name, signed }) => (signed ? `±${name}` : name))).toEqual([
      "Identity",
      "±ShearX",
      "±ShearY",
      "±TranslateX",
      "±TranslateY",
      "±Rotate",
      "±Brightness",
      "±Color",
      "±Contrast",
      "±Sharpness",
      "Posterize",
      "Solarize",
      "AutoContrast",
      "Equalize",
    ]);
  });

  test("at magnitude 0 changes nothing but contrast and histogram operations, and inverts 255", () => {
    const image = wavesAndNoise(20, 20, 3, 1);
    for (const { name, apply } of randAugmentOperations) {
      if (["AutoContrast", "Equalize", "Solarize"].includes(name)) continue;
      expect(apply(image, 0, 1), name).toEqual(image);
    }
  });

  test("each operation changes the picture at magnitude 15, and its sign matters where it has one", () => {
    const image = wavesAndNoise(32, 32, 3, 2);
    for (const { name, signed, apply } of randAugmentOperations) {
      const [plus, minus] = [apply(image, 0.5, 1), apply(image, 0.5, -1)];
      if (name === "Identity") expect(plus).toEqual(image);
      else expect(plus.data, name).not.toEqual(image.data);
      if (signed) expect(plus.data, name).not.toEqual(minus.data);
      else expect(plus.data, name).toEqual(minus.data);
    }
  });

  test("translates by 150/331 of the size at most", () => {
    const translate = randAugmentOperations.find(({ name }) => name === "TranslateX")!;
    const moved = translate.apply(uniform(331, 1, 1, 255), 1, 1).data;
    expect(moved.indexOf(255)).toBe(150);
    expect(moved.subarray(150).every((value) => value === 255)).toBe(true);
  });

  test("works on grey pictures and one-pixel pictures", () => {
    for (let seed = 0; seed < 60; seed++) {
      for (const image of [wavesAndNoise(12, 9, 1, seed), uniform(1, 1, 3, 7)]) {
        const result = randAugment(image, { operations: 3, magnitude: 30 }, new Rng(seed));
        expect([result.width, result.height, result.data.length]).toEqual([
          image.width,
          image.height,
          image.data.length,
        ]);
      }
    }
  });
});

describe("random erasing", () => {
  const config = { probability: 0.5, scale: [0.02, 0.33], ratio: [0.3, 3.3], fill: 0 } as const;
  test("erases rectangles of its area range with its probability", () => {
    const rng = new Rng(3);
    const image = uniform(32, 32, 1, 255);
    const fractions: number[] = [];
    for (let i = 0; i < 2000; i++) {
      const erased = eraseRandomly(image, config, rng).data.filter((value) => value === 0).length / 1024;
      if (erased > 0) fractions.push(erased);
    }
    expect(fractions.length / 2000).toBeGreaterThan(0.45);
    expect(fractions.length / 2000).toBeLessThan(0.55);
    expect(Math.min(...fractions)).toBeLessThan(0.04);
    expect(Math.max(...fractions)).toBeLessThan(0.36);
    expect(Math.max(...fractions)).toBeGreaterThan(0.3);
    expect(image.data.every((value) => value === 255)).toBe(true);
  });
  test("noise fills with many values", () => {
    const erased = eraseRandomly(uniform(32, 32, 3, 0), { ...config, probability: 1, fill: "noise" }, new Rng(1));
    expect(new Set(erased.data).size).toBeGreaterThan(20);
  });
});

describe("augment", () => {
  const everything: AugmentationConfig = {
    crop: imagenet,
    flip: 0.5,
    randAugment: { operations: 2, magnitude: 9 },
    colorJitter: { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 },
    erasing: { probability: 0.5, scale: [0.02, 0.33], ratio: [0.3, 3.3], fill: "noise" },
  };
  const framing = { size: [24, 20] as const, channels: 3 as const, cropRatio: 1 };

  test("depends on the generator alone and leaves the picture as it is", () => {
    const image = wavesAndNoise(40, 30, 1, 1);
    const before = image.data.slice();
    const runs = [7, 7, 8].map((seed) => augment(image, everything, framing, rngFor(seed, "augment")));
    expect(runs[0]).toEqual(runs[1]);
    expect(runs[0]!.data).not.toEqual(runs[2]!.data);
    expect(image.data).toEqual(before);
    expect(runs.every((run) => run.height === 24 && run.width === 20 && run.channels === 3)).toBe(true);
  });

  test("presets: none is the evaluation frame, small-images shifts by up to 1/8, imagenet crops", () => {
    const image = wavesAndNoise(32, 32, 3, 2);
    const square = { size: [32, 32] as const, channels: 3 as const, cropRatio: 1 };
    expect(augment(image, augmentationPreset("none", [32, 32]), square, new Rng(1))).toEqual(image);
    expect(augmentationPreset("small-images", [32, 32])).toEqual({
      crop: { kind: "pad", padding: 4, fill: "zero" },
      flip: 0.5,
    });
    expect(augmentationPreset("small-images", [28, 28]).crop).toMatchObject({ padding: 3 });
    expect(augmentationPreset("small-photographs", [32, 32])).toEqual({
      crop: { kind: "pad", padding: 4, fill: "reflect" },
      flip: 0.5,
    });
    expect(augmentationPreset("imagenet", [224, 224])).toEqual({ crop: imagenet, flip: 0.5 });
    for (const preset of augmentationPresets) checkAugmentation(augmentationPreset(preset, [8, 8]));
    expect(() => augmentationPreset("strong" as AugmentationPreset, [8, 8])).toThrow(
      /expected an augmentation of none/,
    );
  });

  test("shifts are uniform", () => {
    const image = { width: 9, height: 9, channels: 1 as const, data: new Uint8Array(81) };
    image.data[40] = 255;
    const counts = new Map<number, number>();
    const config: AugmentationConfig = { crop: { kind: "pad", padding: 1, fill: "zero" } };
    for (let i = 0; i < 4500; i++) {
      const at = augment(image, config, { size: [9, 9], channels: 1, cropRatio: 1 }, rngFor(1, i)).data.indexOf(255);
      counts.set(at, (counts.get(at) ?? 0) + 1);
    }
    expect([...counts.keys()].sort((a, b) => a - b)).toEqual([30, 31, 32, 39, 40, 41, 48, 49, 50]);
    for (const count of counts.values()) expect(Math.abs(count - 500)).toBeLessThan(100);
  });

  test.each([
    [{ crop: { ...imagenet, scale: [0, 1] } }, "crop.scale"],
    [{ crop: { ...imagenet, ratio: [2, 1] } }, "crop.ratio"],
    [{ crop: { kind: "pad", padding: -1, fill: "zero" } }, "crop.padding"],
    [{ crop: { kind: "pad", padding: 1, fill: "edge" } }, "crop.fill"],
    [{ crop: { kind: "five" } }, "crop.kind"],
    [{ flip: 1.5 }, "flip"],
    [{ flip: Number.NaN }, "flip"],
    [{ randAugment: { operations: 2, magnitude: 31 } }, "randAugment.magnitude"],
    [{ colorJitter: { brightness: 0, contrast: 0, saturation: 0, hue: 0.6 } }, "colorJitter.hue"],
    [{ erasing: { probability: 1, scale: [0.1, 2], ratio: [1, 1], fill: 0 } }, "erasing.scale"],
  ])("refuses %j", (config, field) => {
    expect(() => checkAugmentation(config as unknown as AugmentationConfig)).toThrow(UserError);
    expect(() => checkAugmentation(config as unknown as AugmentationConfig)).toThrow(field);
  });
});
