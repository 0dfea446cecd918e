import { describe, expect, it } from "vitest";
import { chooseStudySeeds, chosenRates } from "#repvgg/ablation/depth/begin.node.js";
import { studyPictures } from "#repvgg/ablation/depth/pictures.js";
import {
  choiceParts,
  chooseParts,
  partConfig,
  partName,
  resultParts,
  type StudyPlan,
  studyNet,
} from "#repvgg/ablation/depth/plan.js";
import { studyVariants } from "#repvgg/ablation/depth/variants.js";
import { UserError } from "#repvgg/core/errors.js";
import { augmentationPreset } from "#repvgg/data/augmentation/config.js";
import { memoryDataset } from "#repvgg/data/memory-dataset.js";
import { architecture } from "#repvgg/nn/build-architecture.js";
import { blockLayouts } from "#repvgg/nn/layout.js";
import { trainConfig } from "#repvgg/train/config.js";
import { madeRun } from "./runs.js";

const plan: StudyPlan = {
  data: { place: "pictures", holdOut: 0.1, seed: 0 },
  nets: [studyNet(28), studyNet(52)],
  widths: [16, 16, 32, 64, 128],
  strides: [1, 2, 2, 2, 1],
  pictures: 100,
  choicePictures: 20,
  config: trainConfig({ epochs: 20, warmupEpochs: 1, augmentation: augmentationPreset("small-images", [32, 32]) }),
  learningRates: { "52": 0.05, "52/no-branches": 0.2 },
  seeds: { base: 2, "no-branches": 2, dirac: 1 },
  choices: { learningRates: [0.05, 0.1], warmupEpochs: [1, 2], epochs: 5 },
};

describe("a study's nets", () => {
  it("have RepVGG-B0's stages at 28 layers, and the same proportions at others", () => {
    expect(studyNet(28)).toEqual({ layers: 28, depths: architecture("B0").depths });
    expect(studyNet(10).depths).toEqual([1, 2, 5, 1]);
    expect(studyNet(52).depths).toEqual([8, 12, 30, 1]);
  });

  it("have as many 3×3 layers as they are named after, at every depth that there may be", () => {
    for (let layers = 5; layers <= 200; layers++) {
      const { depths } = studyNet(layers);
      expect(Math.min(...depths)).toBeGreaterThanOrEqual(1);
      const { widths, strides } = plan;
      expect(blockLayouts(architecture({ depths, widths, strides }))).toHaveLength(layers);
    }
    for (const layers of [4, 201, 28.5, Number.NaN]) expect(() => studyNet(layers)).toThrow(UserError);
  });
});

describe("a study's parts", () => {
  it("are each variant, depth and seed once: the first seed of all before the second of any", () => {
    expect(resultParts(plan).map(partName)).toEqual([
      ...["28/base/seed-0", "28/no-branches/seed-0", "28/dirac/seed-0"],
      ...["52/base/seed-0", "52/no-branches/seed-0", "52/dirac/seed-0"],
      ...["28/base/seed-1", "28/no-branches/seed-1", "52/base/seed-1", "52/no-branches/seed-1"],
    ]);
  });

  it("have the learning rate of their variant, else of their depth, else of the study", () => {
    const rates = Object.fromEntries(resultParts(plan).map((part) => [partName(part), part.learningRate]));
    expect(rates["28/base/seed-0"]).toBe(0.1);
    expect(rates["52/dirac/seed-0"]).toBe(0.05);
    expect(rates["52/no-branches/seed-1"]).toBe(0.2);
  });

  it("are trained by the recipe of their blocks: custom L2 where there is a 1×1 branch, DiracNet's own weight decay", () => {
    const configOf = (variant: string) =>
      partConfig(plan, { ...resultParts(plan)[0]!, variant, seed: 3, learningRate: 0.3, warmupEpochs: 2, epochs: 7 });
    expect(configOf("base")).toEqual({
      ...plan.config,
      ...{ customL2: true, seed: 3, learningRate: 0.3, warmupEpochs: 2, epochs: 7 },
    });
    for (const { name, net } of studyVariants) {
      const block = architecture({ depths: [1], widths: [8, 8], ...net }).block;
      const { customL2, weightDecay } = configOf(name);
      expect(customL2, name).toBe(block.kind === "repvgg" && block.pointwise && name !== "ordinary-decay");
      expect(weightDecay, name).toBe(name === "dirac" ? 5e-4 : 1e-4);
    }
  });

  it("of a choice are every setting for each variant, with names of their own", () => {
    const names = choiceParts(plan).map(partName);
    expect(names).toHaveLength(2 * 3 * 2 * 2);
    expect(new Set([...names, ...resultParts(plan).map(partName)]).size).toBe(names.length + 10);
    expect(names[0]).toBe("choice/28/base/rate-0.05-warmup-1/seed-0");
    expect(new Set(choiceParts(plan).map(({ epochs }) => epochs))).toEqual(new Set([5]));
  });

  it("are chosen by whole beginnings of their names", () => {
    const parts = resultParts(plan);
    const chosen = (wanted?: string[]) => chooseParts(parts, wanted).map(partName);
    expect(chosen(undefined)).toHaveLength(10);
    expect(chosen(["52/dirac", "28/base"])).toEqual(["28/base/seed-0", "52/dirac/seed-0", "28/base/seed-1"]);
    expect(chosen(["28/base/seed-1"])).toEqual(["28/base/seed-1"]);
    expect(() => chosen(["2"])).toThrow('received "2", which names none: --list prints all names');
    expect(() => chosen(["28/bas"])).toThrow(UserError);
  });
});

describe("the choice", () => {
  it("is the learning rate with the best held-out accuracy, by depth and variant, where nothing is trained with another", () => {
    const tried = (layers: number, variant: string, learningRate: number, top1: number | null) =>
      madeRun({ kind: "choice", layers, variant, seed: 0, learningRate }, top1);
    const runs = [
      ...[tried(28, "base", 0.1, 0.5), tried(28, "base", 0.2, 0.6), tried(28, "base", 0.4, null)],
      ...[tried(52, "base", 0.2, 0.4), tried(52, "base", 0.1, 0.4), tried(28, "dirac", 0.1, null)],
      ...[tried(52, "trivial", 0.05, 0.9), madeRun({ layers: 52, variant: "trivial", seed: 1 }, 0.3)],
    ];
    expect(chosenRates(runs)).toEqual({ "28/base": 0.2, "52/base": 0.1 });
  });
});

describe("seeds", () => {
  it("are five for the two that the claim compares, three for others, or as said; no variant twice", () => {
    expect(chooseStudySeeds()).toEqual({ base: 5, "no-branches": 5, "pointwise-only": 3, "identity-only": 3 });
    expect(chooseStudySeeds([{ name: "dirac" }, { name: "base", seeds: 2 }, { name: "dirac", seeds: 1 }])).toEqual({
      ...{ dirac: 3, base: 2 },
    });
    expect(() => chooseStudySeeds([{ name: "diract" }])).toThrow('did you mean "dirac"?');
  });
});

describe("a study's pictures", () => {
  const labels = Array.from({ length: 60 }, (_, i) => i % 3);
  const set = (name: string, first: number) =>
    memoryDataset({
      ...{ name, classNames: ["a", "b", "c"], channels: 1 as const, height: 1, width: 1, labels },
      pixels: Uint8Array.from(labels, (_, i) => first + i),
    });
  const sets = { train: set("train", 0), test: set("test", 100) };
  const pixels = (dataset: typeof sets.train) =>
    Array.from({ length: dataset.length }, (_, i) => (dataset.read(i) as { data: Uint8Array }).data[0]!);

  it("are parts of the training pictures that share none, of each class as many, the same ones every time", () => {
    const { train, choice, test } = studyPictures(sets, { pictures: 30, choicePictures: 9 });
    expect([train.length, choice.length, test.length]).toEqual([30, 9, 60]);
    for (const part of [train, choice]) {
      const counts = [0, 1, 2].map(
        (label) => Array.from({ length: part.length }, (_, i) => part.label(i)).filter((own) => own === label).length,
      );
      expect(new Set(counts).size).toBe(1);
    }
    const [learned, chosen] = [pixels(train as typeof sets.train), pixels(choice as typeof sets.train)];
    expect(new Set([...learned, ...chosen]).size).toBe(39);
    expect(Math.max(...learned, ...chosen)).toBeLessThan(60); // none of the test pictures
    const again = studyPictures(sets, { pictures: 30, choicePictures: 9 });
    expect(pixels(again.train as typeof sets.train)).toEqual(learned);
    // Fewer pictures to choose by leave those that are learned from.
    expect(pixels(studyPictures(sets, { pictures: 30, choicePictures: 3 }).train as typeof sets.train)).toEqual(
      learned,
    );
  });

  it("may be all, and are fewer where classes cannot have as many", () => {
    const { train, choice } = studyPictures(sets, { pictures: 59, choicePictures: 5 });
    expect([train.length, choice.length]).toEqual([57, 3]);
  });

  it("have to be there", () => {
    expect(() => studyPictures(sets, { pictures: 57, choicePictures: 6 })).toThrow(
      'expected at least 21 training pictures of class "a", received 20, and 57 + 6 asked for of 3 classes: ask for fewer (--pictures, --choice-pictures)',
    );
    expect(() => studyPictures(sets, { pictures: 2, choicePictures: 3 })).toThrow(UserError);
  });
});
