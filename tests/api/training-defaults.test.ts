import { describe, expect, it } from "vitest";
import { memoryDataset } from "#repvgg/data/memory-dataset.js";
import { repvgg } from "#repvgg/nn/repvgg.js";
import { variantNames, variants } from "#repvgg/nn/zoo.js";
import { freshModel } from "#repvgg/recipe/fresh-model.node.js";
import { pictureFacts } from "#repvgg/recipe/picture-facts.node.js";
import {
  augmentationFor,
  batchSizeFor,
  epochsFor,
  inputSizeFor,
  learningRateFor,
  netFor,
} from "#repvgg/recipe/training-defaults.js";
import { headRateFor, tuningSettings } from "#repvgg/recipe/tuning-defaults.js";

const sides = [1, 20, 28, 32, 33, 64, 65, 96, 120, 128, 224, 256, 480, 4000];

function pictures(count: number, height: number, width: number) {
  const pixels = new Uint8Array(count * height * width);
  const labels = Array.from({ length: count }, (_, i) => i % 2);
  return memoryDataset({ name: "m", classNames: ["a", "b"], channels: 1, height, width, pixels, labels });
}

describe("the input's size", () => {
  it("is the pictures' own where they are small, never more than photographs have, never more than the net is made for", () => {
    for (const name of [undefined, ...variantNames]) {
      for (const width of sides) {
        for (const height of sides) {
          for (const count of [2, 55, 4_999, 5_000, 1e6]) {
            const size = inputSizeFor({ pictures: count, width, height }, name);
            if (Math.max(width, height) <= 64) {
              expect(size).toEqual([height, width]);
              continue;
            }
            const [side, other] = size;
            expect([side, side % 32]).toEqual([other, 0]);
            expect(side === 32 || side <= Math.min(width, height)).toBe(true);
            const own = name === undefined ? 224 : variants[name].inputSize;
            expect(side).toBeLessThanOrEqual(own > 64 ? own : count < 5_000 ? 96 : 128);
          }
        }
      }
    }
  });

  it.each([
    [55, 640, 480, "nano", 96],
    [6_000, 640, 480, "nano", 128],
    [55, 640, 480, "A0", 224],
    [55, 640, 480, "repvgg_a0", 224],
    [55, 640, 480, undefined, 224],
    [55, 200, 300, "A0", 192],
    [55, 80, 400, "tiny", 64],
    [55, 70, 20, "nano", 32],
    [1000, 640, 480, "D2se", 320],
  ])("of %d pictures of %d×%d for %s is %d", (count, width, height, name, side) => {
    expect(inputSizeFor({ pictures: count, width, height }, name)).toEqual([side, side]);
  });

  it("is that of fresh models, unless it is given", async () => {
    const sizeOf = async (options: object, name = "nano") =>
      (await freshModel(name, pictures(4, 120, 160), options)).metadata.preprocessing.size;
    expect(await sizeOf({})).toEqual([96, 96]);
    expect(await sizeOf({ inputSize: 40 })).toEqual([40, 40]);
    const small = await freshModel("nano", pictures(4, 28, 36));
    expect(small.metadata.preprocessing.size).toEqual([28, 36]);
  });
});

it("batches are powers of 2, at least 16 a pass where there are enough pictures, and never more than there are", () => {
  for (let count = 1; count <= 5_000; count += 7) {
    const batch = batchSizeFor(count);
    expect(Number.isInteger(Math.log2(batch))).toBe(true);
    expect(batch).toBeLessThanOrEqual(Math.min(128, count));
    if (count >= 128) expect(count / batch).toBeGreaterThanOrEqual(16);
    expect(batchSizeFor(count, 3) % 3).toBe(0);
  }
  expect([5, 45, 300, 600, 2048, 60_000].map((count) => batchSizeFor(count))).toEqual([4, 8, 16, 32, 128, 128]);
});

it("epochs give about a thousand steps, 10 to 100; fewer from trained weights", () => {
  expect(epochsFor(45, 8, false)).toBe(100);
  expect(epochsFor(600, 32, false)).toBe(60);
  expect(epochsFor(60_000, 128, false)).toBe(10);
  expect(epochsFor(600, 32, true)).toBe(40);
  expect(epochsFor(250, 8, true)).toBe(20);
  expect(epochsFor(3, 8, false)).toBe(100);
});

it("the learning rate falls with the root of the batch", () => {
  expect(learningRateFor(128, "sgd")).toBe(0.1);
  expect(learningRateFor(512, "sgd")).toBe(0.1);
  expect(learningRateFor(8, "sgd")).toBe(0.025);
  expect(learningRateFor(32, "adamw")).toBe(0.0005);
});

it("nets are the small ones; photographs on small inputs are shifted over more of themselves", () => {
  expect([netFor({ pictures: 19_999 }), netFor({ pictures: 20_000 })]).toEqual(["nano", "tiny"]);
  const photographs = { pictures: 55, width: 640, height: 480 };
  expect(augmentationFor(photographs, [96, 96])).toBe("small-photographs");
  expect(augmentationFor(photographs, [224, 224])).toBeUndefined();
  expect(augmentationFor({ ...photographs, width: 28, height: 28 }, [28, 28])).toBeUndefined();
});

it("the median picture is asked for", async () => {
  expect(await pictureFacts(pictures(9, 30, 50))).toEqual({ pictures: 9, width: 50, height: 30 });
});

describe("a net that was trained before", () => {
  const { architecture } = repvgg("nano");
  const facts = (pictures: number) => ({ pictures, width: 32, height: 32 });

  it("is trained by the number of pictures and its own depth; what is given stands", () => {
    expect(tuningSettings(facts(250), architecture, [32, 32], {})).toEqual({
      ...{ batchSize: 8, epochs: 20, learningRate: 0.025, backboneRate: 0.1, layerDecay: 0.842, batchNorm: "frozen" },
    });
    expect(tuningSettings(facts(20_000), architecture, [32, 32], {})).toMatchObject({
      ...{ batchSize: 128, epochs: 10, learningRate: 0.1, batchNorm: "live" },
    });
    const deep = tuningSettings(facts(250), repvgg("A0").architecture, [32, 32], {});
    expect(deep.layerDecay ** 22).toBeCloseTo(0.3, 1);
    const given = {
      ...{ batchSize: 4, epochs: 3, learningRate: 1, backboneRate: 2, layerDecay: 0.5 },
      batchNorm: "live",
    } as const;
    expect(tuningSettings(facts(250), architecture, [32, 32], { ...given, augmentation: "flip" })).toEqual({
      ...given,
      augmentation: "flip",
    });
    const photographs = { pictures: 250, width: 640, height: 480 };
    expect(tuningSettings(photographs, architecture, [96, 96], {}).augmentation).toBe("small-photographs");
  });

  it("with only its head trained sees unvaried pictures often, at a rate by the size of its features", () => {
    const head = tuningSettings(facts(2_000), architecture, [32, 32], { freeze: "all-but-head" });
    expect(head).toMatchObject({ batchSize: 64, epochs: 97, augmentation: "none" });
    expect(tuningSettings(facts(20), architecture, [32, 32], { freeze: "all-but-head" }).epochs).toBe(100);
    expect(head).not.toHaveProperty("learningRate");
    const adam = tuningSettings(facts(2_000), architecture, [32, 32], { freeze: "all-but-head", optimizer: "adamw" });
    expect(adam.learningRate).toBe(0.00071);
    expect(headRateFor(Float32Array.of(1, 2, 0, 0, 0, 2), 3)).toBe(0.5); // |x|² of 5, 0 and 4
    expect(headRateFor(new Float32Array(4), 2)).toBe(2);
  });
});
