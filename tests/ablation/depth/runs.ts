import { type StudyNet, type StudyPart, type StudyPlan, studyNet } from "#repvgg/ablation/depth/plan.js";
import type { StudyRun } from "#repvgg/ablation/depth/results.js";
import { trainConfig } from "#repvgg/train/config.js";

/** A run that nobody trained, with these outcomes. */
export function madeRun(
  part: Pick<StudyPart, "layers" | "variant" | "seed"> & Partial<StudyPart>,
  top1: number | null,
  loss = 1,
): StudyRun {
  return {
    part: { kind: "result", epochs: 3, learningRate: 0.1, warmupEpochs: 1, ...part },
    parameters: { train: 300, plain: 200 },
    judged: top1 === null ? null : { pictures: 1000, loss: 1, top1 },
    fitted: top1 === null ? null : { pictures: 2000, loss, top1: Math.min(1, top1 + 0.05) },
    epochLosses: top1 === null ? [] : [2, 1.5, loss],
    gradients: {
      start: Array.from({ length: part.layers }, (_, i) => 10 ** (-i / 4 - part.seed)),
      end: top1 === null ? [] : Array.from({ length: part.layers }, () => 0.1),
    },
    stepSeconds: part.variant === "base" ? 0.2 : 0.1,
    peakBytes: part.variant === "base" ? 3e6 : 2e6,
    weights: "ab".repeat(32),
    arithmetic: "wasm",
  };
}

export function madePlan(layers: readonly number[], seeds: StudyPlan["seeds"]): StudyPlan {
  return {
    data: { place: "pictures", holdOut: 0.1, seed: 0 },
    nets: layers.map((count): StudyNet => studyNet(count)),
    widths: [8, 8, 8, 8, 8],
    strides: [1, 2, 2, 2, 1],
    pictures: 2000,
    choicePictures: 500,
    config: trainConfig({ epochs: 3, warmupEpochs: 1, augmentation: {} }),
    learningRates: {},
    seeds,
    choices: { learningRates: [0.05, 0.1], warmupEpochs: [1], epochs: 2 },
    command: "repvgg ablate depth pictures",
  };
}
