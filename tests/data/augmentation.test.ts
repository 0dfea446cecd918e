import { describe, expect, test } from "vitest";
import { UserError } from "#repvgg/core/errors.js";
import { Rng, rngFor } from "#repvgg/core/rng.js";
import { affine, rotation } from "#repvgg/data/augmentation/affine.js";
import { augment } from "#repvgg/data/augmentation/augment.js";
import {
  adjustBrightness,
  adjustContrast,
  adjustHue,
  adjustSaturation,
  adjustSharpness,
  autoContrast,
  equalize,
  jitterColors,
  solarize,
} from "#repvgg/data/augmentation/color.js";
import {
  type AugmentationConfig,
  type AugmentationPreset,
  augmentationPreset,
  augmentationPresets,
  checkAugmentation,
  type PadAndCrop,
  randomErasing,
} from "#repvgg/data/augmentation/config.js";
import { padAndCrop, randomResizedCropRegion } from "#repvgg/data/augmentation/crops.js";
import { randAugment, randAugmentOperations } from "#repvgg/data/augmentation/rand-augment.js";
import { eraseRandomly } from "#repvgg/data/augmentation/random-erasing.js";
import type { Image } from "#repvgg/data/dataset.js";
import { frameForEvaluation } from "#repvgg/data/evaluation-transform.js";
import { flipHorizontal, toChannels } from "#repvgg/data/image.js";
import { resize } from "#repvgg/data/resize.js";
import { uniform, wavesAndNoise } from "./pictures.js";

const imagenet = { kind: "random-resized", scale: [0.08, 1], ratio: [3 / 4, 4 / 3] } as const;

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

  const square = { size: [6, 6] as const, channels: 3 as const, cropRatio: 1 };

  test("a picture is mirrored with the probability that is asked for", () => {
    const image = wavesAndNoise(6, 6, 3, 3);
    const mirrored = (flip: number): number =>
      Array.from({ length: 1000 }, (_, i) => augment(image, { flip }, square, rngFor(2, i))).filter((result) => {
        const kind = [image, flipHorizontal(image)].findIndex(({ data }) => data.join() === result.data.join());
        expect(kind).toBeGreaterThanOrEqual(0);
        return kind === 1;
      }).length;
    expect([mirrored(0), mirrored(1)]).toEqual([0, 1000]);
    expect(Math.abs(mirrored(0.25) - 250)).toBeLessThan(60);
    expect(augment(image, {}, square, new Rng(1))).toEqual(image);
  });

  test("each step happens where it is asked for, in the order of the fields, with the numbers that come next", () => {
    const image = wavesAndNoise(9, 7, 3, 4);
    const { crop, randAugment: operations, colorJitter, erasing } = everything;
    const naive = (config: AugmentationConfig, rng: Rng) => {
      let result = toChannels(image, 3);
      if (config.crop?.kind === "random-resized") {
        const { top, left, height, width } = randomResizedCropRegion(7, 9, config.crop, rng);
        const data = Uint8Array.from({ length: height * width * 3 }, (_, i) => {
          const [y, x] = [Math.floor(i / 3 / width), Math.floor(i / 3) % width];
          return result.data[((top + y) * 9 + left + x) * 3 + (i % 3)]!;
        });
        result = resize({ ...result, height, width, data }, 6, 6);
      } else result = frameForEvaluation(result, square);
      if (config.crop?.kind === "pad") {
        const [top, left] = [rng.int(2 * config.crop.padding + 1), rng.int(2 * config.crop.padding + 1)];
        result = padAndCrop(result, config.crop.padding, config.crop.fill, top, left);
      }
      if (config.flip && rng.next() < config.flip) result = flipHorizontal(result);
      if (config.randAugment) result = randAugment(result, config.randAugment, rng);
      if (config.colorJitter) result = jitterColors(result, config.colorJitter, rng);
      return config.erasing ? eraseRandomly(result, config.erasing, rng) : result;
    };
    const configs: AugmentationConfig[] = [
      ...([{}, { crop }, { randAugment: operations }, { colorJitter }, { erasing }] as AugmentationConfig[]),
      everything,
      { crop: { kind: "pad", padding: 2, fill: "reflect" } },
      { crop: { kind: "pad", padding: 1, fill: "zero" }, flip: 0.5 },
      { flip: 0.5, erasing: { ...erasing!, probability: 1 } },
    ];
    for (const config of configs) {
      for (let seed = 0; seed < 30; seed++)
        expect(augment(image, config, square, rngFor(seed))).toEqual(naive(config, rngFor(seed)));
    }
  });

  test("colours are jittered within their ranges, each by itself, in every order", () => {
    const grey = uniform(2, 2, 3, 100);
    const brightness = Array.from({ length: 500 }, (_, seed) => {
      const amounts = { brightness: 0.4, contrast: 0, saturation: 0, hue: 0 };
      return jitterColors(grey, amounts, new Rng(seed)).data[0]!;
    });
    expect(Math.min(...brightness)).toBeGreaterThanOrEqual(60);
    expect(Math.min(...brightness)).toBeLessThan(62);
    expect(Math.max(...brightness)).toBeLessThanOrEqual(140);
    expect(Math.max(...brightness)).toBeGreaterThan(137);
    const strong = Array.from({ length: 500 }, (_, seed) => {
      const amounts = { brightness: 3, contrast: 0, saturation: 0, hue: 0 };
      return jitterColors(grey, amounts, new Rng(seed)).data[0]!;
    });
    expect(strong.filter((value) => value === 0).length).toBeLessThan(20); // factors begin at 0, not below it
    // Each amount alone is its own adjustment, by the factor that its generator gives.
    const image = wavesAndNoise(6, 6, 3, 1);
    const alone = { brightness: 0, contrast: 0, saturation: 0, hue: 0 };
    const drawn = (seed: number): Rng => {
      const rng = new Rng(seed);
      rng.shuffle([0, 1, 2, 3]);
      return rng;
    };
    for (let seed = 0; seed < 20; seed++) {
      const factor = drawn(seed).uniform(0.7, 1.3);
      const by = (amounts: object) => jitterColors(image, { ...alone, ...amounts }, new Rng(seed));
      expect(by({ brightness: 0.3 })).toEqual(adjustBrightness(image, factor));
      expect(by({ contrast: 0.3 })).toEqual(adjustContrast(image, factor));
      expect(by({ saturation: 0.3 })).toEqual(adjustSaturation(image, factor));
      expect(by({ hue: 0.3 })).toEqual(adjustHue(image, drawn(seed).uniform(-0.3, 0.3)));
      expect(by({})).toEqual(image);
      // All of them, in the order that the generator shuffles.
      const rng = new Rng(seed);
      let wanted: Image = image;
      for (const step of rng.shuffle([0, 1, 2, 3])) {
        if (step === 3) wanted = adjustHue(wanted, rng.uniform(-0.1, 0.1));
        else wanted = [adjustBrightness, adjustContrast, adjustSaturation][step]!(wanted, rng.uniform(0.6, 1.4));
      }
      expect(jitterColors(image, everything.colorJitter!, new Rng(seed))).toEqual(wanted);
    }
  });

  test("a turn of the hue leaves grey as it is, turns pure colours around the circle, and keeps the brightest value", () => {
    const rgb = (...data: number[]): Image => ({
      width: data.length / 3,
      height: 1,
      channels: 3,
      data: Uint8Array.from(data),
    });
    const greys = rgb(0, 0, 0, 7, 7, 7, 255, 255, 255, 254, 255, 255);
    expect([...adjustHue(greys, 0.3).data.subarray(0, 9)]).toEqual([0, 0, 0, 7, 7, 7, 255, 255, 255]);
    expect([...adjustHue(rgb(200, 0, 0), 1 / 3).data]).toEqual([0, 200, 0]);
    expect([...adjustHue(rgb(0, 200, 0), 1 / 3).data]).toEqual([0, 0, 200]);
    expect([...adjustHue(rgb(0, 0, 200), 1 / 3).data]).toEqual([200, 0, 0]);
    const image = wavesAndNoise(20, 20, 3, 2);
    for (const turn of [-0.5, -0.2, 0.1, 0.5]) {
      const { data } = adjustHue(image, turn);
      for (let i = 0; i < data.length; i += 3)
        expect(Math.max(...data.subarray(i, i + 3))).toBe(Math.max(...image.data.subarray(i, i + 3)));
    }
    const grey = wavesAndNoise(5, 5, 1, 2);
    expect(adjustHue(grey, 0.3)).toBe(grey);
    expect(adjustSaturation(grey, 0.3)).toBe(grey);
  });

  test("RandAugment applies as many operations as asked for, at the magnitude, with random signs", () => {
    const image = wavesAndNoise(8, 8, 3, 6);
    for (let seed = 0; seed < 200; seed++) {
      for (const [operations, magnitude] of [
        [0, 9],
        [1, 15],
        [3, 30],
      ] as const) {
        const rng = new Rng(seed);
        let wanted: Image = image;
        for (let i = 0; i < operations; i++) {
          const { signed, apply } = randAugmentOperations[rng.int(14)]!;
          const sign = signed && rng.next() < 0.5 ? -1 : 1;
          wanted = apply(wanted, magnitude / 30, sign);
        }
        expect(randAugment(image, { operations, magnitude }, new Rng(seed))).toEqual(wanted);
      }
    }
  });

  test("RandAugment's operations have torchvision's strengths", () => {
    const image = wavesAndNoise(31, 17, 3, 8);
    const named = (name: string) => randAugmentOperations.find((operation) => operation.name === name)!.apply;
    for (const strength of [0, 0.1, 1 / 3, 0.5, 1]) {
      for (const sign of [-1, 1]) {
        const factor = 1 + 0.9 * strength * sign;
        expect(named("Brightness")(image, strength, sign)).toEqual(adjustBrightness(image, factor));
        expect(named("Color")(image, strength, sign)).toEqual(adjustSaturation(image, factor));
        expect(named("Contrast")(image, strength, sign)).toEqual(adjustContrast(image, factor));
        expect(named("Sharpness")(image, strength, sign)).toEqual(adjustSharpness(image, factor));
        expect(named("ShearX")(image, strength, sign)).toEqual(affine(image, [1, 0.3 * strength * sign, 0, 0, 1, 0]));
        expect(named("ShearY")(image, strength, sign)).toEqual(affine(image, [1, 0, 0, 0.3 * strength * sign, 1, 0]));
        const right = Math.trunc((150 / 331) * 31 * strength * sign);
        const down = Math.trunc((150 / 331) * 17 * strength * sign);
        expect(named("TranslateX")(image, strength, sign)).toEqual(affine(image, [1, 0, -right, 0, 1, 0]));
        expect(named("TranslateY")(image, strength, sign)).toEqual(affine(image, [1, 0, 0, 0, 1, -down]));
        expect(named("Rotate")(image, strength, sign)).toEqual(affine(image, rotation(image, 30 * strength * sign)));
      }
      expect(named("Solarize")(image, strength, 1)).toEqual(solarize(image, 255 - 255 * strength));
    }
    // torch: 8 − round(linspace(0, 30, 31) / (30 / 4)), halves to even: 3.75 is 0.5, 11.25 is 1.5, 18.75 is 2.5.
    const bits = Array.from({ length: 31 }, (_, magnitude) => {
      const data = named("Posterize")(uniform(1, 1, 1, 255), magnitude / 30, 1).data[0]!;
      return data.toString(2).replaceAll("0", "").length;
    });
    expect(bits.join("")).toBe("8888777777776666666555555554444");
    expect(named("AutoContrast")(image, 1, 1)).toEqual(autoContrast(image));
    expect(named("Equalize")(image, 1, 1)).toEqual(equalize(image));
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

  /** A field with each value, and whether it is taken. */
  const numbers: [string, (value: unknown) => object, unknown[], unknown[]][] = [
    ["flip", (flip) => ({ flip }), [0, 0.3, 1], [-0.01, 1.01, Number.NaN, "1"]],
    ["crop.padding", (padding) => ({ crop: { kind: "pad", padding, fill: "zero" } }), [0, 1, 4096], [-1, 4097, 0.5]],
    ["crop.fill", (fill) => ({ crop: { kind: "pad", padding: 1, fill } }), ["zero", "reflect"], ["edge", undefined]],
    ["crop.kind", (kind) => ({ crop: { ...imagenet, kind } }), ["random-resized"], ["five", "", undefined]],
    ...(["scale", "ratio"] as const).map((field): (typeof numbers)[number] => [
      `crop.${field}`,
      (value) => ({ crop: { ...imagenet, [field]: value } }),
      field === "scale"
        ? [
            [0.001, 1],
            [1, 1],
          ]
        : [
            [0.001, 1000],
            [2, 2],
          ],
      [
        [0, 1],
        [-1, 1],
        [1, 0.5],
        [Number.NaN, 1],
        [1, Number.POSITIVE_INFINITY],
        0.5,
        undefined,
        field === "scale" ? [0.5, 1.01] : [1],
      ],
    ]),
    ...(["operations", "magnitude"] as const).map((field): (typeof numbers)[number] => [
      `randAugment.${field}`,
      (value) => ({ randAugment: { operations: 2, magnitude: 9, [field]: value } }),
      field === "operations" ? [0, 100] : [0, 30],
      [-1, 0.5, field === "operations" ? 101 : 31, undefined],
    ]),
    ...(["brightness", "contrast", "saturation", "hue"] as const).map((field): (typeof numbers)[number] => [
      `colorJitter.${field}`,
      (value) => ({ colorJitter: { brightness: 0, contrast: 0, saturation: 0, hue: 0, [field]: value } }),
      field === "hue" ? [0, 0.5] : [0, 100],
      [-0.01, field === "hue" ? 0.51 : 100.01, Number.NaN],
    ]),
    ...(["probability", "scale", "ratio", "fill"] as const).map((field): (typeof numbers)[number] => [
      `erasing.${field}`,
      (value) => ({ erasing: { probability: 1, scale: [0.1, 0.2], ratio: [1, 1], fill: 0, [field]: value } }),
      { probability: [0, 1], scale: [[0.01, 1]], ratio: [[0.1, 7]], fill: [0, 255, "noise"] }[field],
      {
        ...{
          probability: [-0.1, 1.1],
          scale: [
            [0, 1],
            [0.5, 1.1],
          ],
          ratio: [
            [0, 1],
            [2, 1],
          ],
        },
        fill: [-1, 256, 0.5, "nois"],
      }[field],
    ]),
  ];

  test.each(numbers)("%s has its range, and no more", (field, config, taken, refused) => {
    for (const value of taken) expect(() => checkAugmentation(config(value))).not.toThrow();
    for (const value of refused) {
      expect(() => checkAugmentation(config(value)), JSON.stringify(value)).toThrow(UserError);
      expect(() => checkAugmentation(config(value))).toThrow(`augmentation's ${field} as `);
    }
  });

  test("ranges are told with their limits", () => {
    expect(() => checkAugmentation({ crop: { ...imagenet, scale: [0, 2] } })).toThrow(
      "augmentation's crop.scale as [low, high] with 0 < low ≤ high ≤ 1, received [0,2]",
    );
    expect(() => checkAugmentation({ crop: { ...imagenet, ratio: [0, 2] } })).toThrow(
      /crop\.ratio as \[low, high\] with 0 < low ≤ high, received \[0,2\]$/,
    );
    expect(() => checkAugmentation({ crop: {} } as unknown as AugmentationConfig)).toThrow(
      /crop\.kind .* received nothing/,
    );
  });

  test("presets follow the smaller side, by at least one pixel; erasing has torchvision's ranges", () => {
    const padding = (size: readonly [number, number]) =>
      (augmentationPreset("small-images", size).crop as PadAndCrop).padding;
    expect([padding([40, 64]), padding([64, 40]), padding([7, 7]), padding([15, 99]), padding([16, 16])]).toEqual([
      5, 5, 1, 1, 2,
    ]);
    expect(augmentationPreset("none", [8, 8])).toEqual({});
    expect(augmentationPreset("flip", [8, 8])).toEqual({ flip: 0.5 });
    expect(randomErasing(0.25)).toEqual({ probability: 0.25, scale: [0.02, 0.33], ratio: [0.3, 3.3], fill: "noise" });
    expect(augmentationPresets).toEqual(["none", "flip", "small-images", "small-photographs", "imagenet"]);
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
