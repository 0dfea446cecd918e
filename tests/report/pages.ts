import { studyPage } from "#repvgg/ablation/depth/page.js";
import { summarizeStudy } from "#repvgg/ablation/depth/summary.js";
import { ablationPage } from "#repvgg/ablation/page.node.js";
import { type AblationRun, summarizeAblation } from "#repvgg/analysis/ablation/summary.js";
import { ablationVariants } from "#repvgg/analysis/ablation/variants.js";
import { blockKernels } from "#repvgg/analysis/block-kernels.js";
import { createBackend } from "#repvgg/backend/select.node.js";
import { augmentationPreset } from "#repvgg/data/augmentation/config.js";
import {
  evaluate,
  fold,
  loadModel,
  openDataset,
  profile,
  profileReport,
  profileZoo,
  repvgg,
  verify,
} from "#repvgg/index.js";
import type { Report } from "#repvgg/report/page/section.js";
import { verifyReport } from "#repvgg/report/pages/verify-page.js";
import { evaluationReport } from "#repvgg/runs/evaluation-page.js";
import { trainingFacts } from "#repvgg/runs/gather-facts.node.js";
import { trainingReport } from "#repvgg/runs/training-page.js";
import { benchReport } from "#repvgg/studies/bench/page.js";
import { zooReport } from "#repvgg/studies/profile/zoo-page.js";
import { trainConfig } from "#repvgg/train/config.js";
import { madePlan, madeRun } from "../ablation/depth/runs.js";
import { oraclePath } from "../formats/fixtures.js";
import { hostile, sample } from "./sample.js";

/** A report of every kind, made as the commands make it. */
export const reports: Readonly<Record<string, () => Promise<Report>>> = {
  sample: async () => sample,
  zoo: async () => zooReport(profileZoo()),
  async profile() {
    const used = {
      form: "plain form",
      backend: "wasm simd",
      batch: 1,
      plannedBytes: 100,
      arenaBytes: 101,
      writtenBytes: 99,
    };
    const growth = { batches: [8, 72], plannedBytes: 120, usedBytes: 121 } as const;
    const result = await profile(repvgg("nano"), { threads: 1, repeats: 1, name: hostile });
    return profileReport({ ...result, used: [{ ...used, growth }, used] }, [`repvgg profile ${hostile}`]);
  },
  async verify() {
    const reference = await loadModel(oraclePath("tiny-train.pth"));
    const candidate = fold(reference);
    const result = await verify(reference, candidate, { threads: 1, images: 2 });
    const kernels = blockKernels(reference, candidate);
    return verifyReport({
      reference: hostile,
      candidate: "its own fold",
      result,
      threshold: 1e-4,
      findings: [],
      kernels,
      pictures: false,
    });
  },
  async "verify, failed"() {
    const difference = { count: 10, maxAbsolute: 1, meanAbsolute: 0.5, relative: 0.25, nonFinite: 2, sameNonFinite: 0 };
    const values = [
      { ...difference, name: hostile, candidateName: "x", parted: true },
      {
        ...difference,
        name: "exact",
        candidateName: "y",
        parted: false,
        relative: 0,
        maxAbsolute: 0,
        meanAbsolute: 0,
        nonFinite: 0,
      },
    ];
    return verifyReport({
      ...{ reference: "a.pth", candidate: "b.onnx", threshold: 1e-4, pictures: true, kernels: [] },
      result: {
        samples: 1,
        outputs: difference,
        byOutput: [
          {
            ...{ ...difference, name: hostile, candidateName: "x", verdict: "different", worst: { axis: 1, index: 3 } },
            ...{ largest: 4, channels: 10, constantChannels: 0 },
          },
        ],
        verdict: "different",
        top1Disagreements: 1,
        worstSample: { index: 0, maxAbsolute: 1 },
        agree: false,
        values,
        firstParted: hostile,
      },
      findings: [
        { cause: "bias-sign", where: hostile, blocks: [], evidence: "biases are negated", remedy: "negate them" },
      ],
    });
  },
  async ablation() {
    const run = (variant: string, seed: number, top1: number | null): AblationRun => ({
      ...{ variant, seed, top1, foldedTop1: top1, unfoldable: variant === "relu-in-branches" ? hostile : null },
      ...{ stepSeconds: 0.1 + seed / 100, peakBytes: 1e8, parameters: { train: 200, plain: 100 } },
    });
    const accuracies = { base: [0.7, 0.71, 0.72], "no-branches": [0.6, 0.61], acb: [0.65], dirac: [null], trivial: [] };
    const runs = Object.entries({ ...accuracies, "relu-in-branches": [0.7, 0.73] }).flatMap(([name, values]) =>
      values.map((top1, seed) => run(name, seed, top1)),
    );
    const seeds = Object.fromEntries(ablationVariants.map(({ name }) => [name, 3]));
    const config = trainConfig({ augmentation: augmentationPreset("small-images", [32, 32]) });
    const setup = { data: { place: hostile, holdOut: 0.1, seed: 0 }, net: { model: hostile }, config, seeds };
    return ablationPage(
      {
        ...{ out: "runs/x", setup: { ...setup, command: hostile }, pictures: { train: 5000, test: 1000 } },
        ...{ summary: summarizeAblation(ablationVariants, runs), remaining: 20, interrupted: true },
      },
      { processor: hostile, cores: 2, memoryGiB: 8, avx512: false, node: "v20", v8: "11", date: "2026-01-01" },
    );
  },
  async "depth study"() {
    const seeds = { base: 3, "no-branches": 2, dirac: 1 };
    const runs = Object.entries({ base: [0.7, 0.72, null], "no-branches": [0.6, 0.61], dirac: [null] }).flatMap(
      ([variant, values]) => values.map((top1, seed) => madeRun({ layers: 10, variant, seed }, top1)),
    );
    const plan = { ...madePlan([10, 28], seeds), command: hostile };
    return studyPage({ plan, runs, summary: summarizeStudy(plan, runs), remaining: 6 });
  },
  async training() {
    const fashion = await openDataset("fashion-mnist-subset", "test");
    const some = fashion.select(Array.from({ length: 40 }, (_, i) => i));
    const backend = await createBackend({ threads: 1 });
    try {
      const model = repvgg("nano", { classNames: fashion.classNames });
      const evaluation = await evaluate(model, some, { backend });
      const losses = { trainLoss: 2, validation: { loss: 1.5, top1: 0.3, top5: 0.8 }, learningRate: 0.1 };
      const epochs = [1, 2].map((epoch) => ({ kind: "epoch" as const, step: 10 * epoch, epoch, ...losses }));
      const config = trainConfig({ augmentation: augmentationPreset("small-images", [28, 28]) });
      const sets = { train: some, validation: some, test: some };
      const measured = { pictures: "test" as const, dataset: some, evaluation };
      const run = { model, config, epochs, chosen: epochs[1]!, sets, measured, warnings: [hostile], remarks: [] };
      const facts = await trainingFacts(run, backend);
      return trainingReport({ ...facts, sets: { ...sets, train: some.select([0], hostile) } }, [hostile]);
    } finally {
      backend.dispose();
    }
  },
  async "evaluation, many classes"() {
    const classes = 60;
    const confusion = Array.from({ length: classes }, (_, truth) =>
      Array.from({ length: classes }, (_, answer) => (truth === 1 ? 0 : truth === answer ? 5 : (truth * answer) % 2)),
    );
    const perClass = confusion.map((row, c) => ({
      name: `${hostile} ${c}`,
      recall: row[c]! / row.reduce((a, b) => a + b),
    }));
    const figures = { images: 300, top1: 0.5, top5: 0.75, balancedAccuracy: 0.4, loss: 1.25, mistakes: [] };
    const skipped = [{ file: hostile, reason: hostile }];
    return evaluationReport(
      { net: hostile, dataset: hostile },
      { ...figures, perClass, confusion, skipped, warnings: [hostile], assumed: [hostile] },
      [],
      [hostile],
    );
  },
  async bench() {
    const times = { median: 3, lowerQuartile: 2.5, upperQuartile: 4, runs: 20 };
    const ran = { times, imagesPerSecond: 333, relativeError: 0, loadMilliseconds: 40, peakBytes: 2 ** 26 };
    return benchReport({
      machine: { processor: hostile, cores: 2, memoryGiB: 8, avx512: false, node: "v20", v8: "11", date: "2026-01-01" },
      noise: { loadAverage: 3, widestSpread: 0.5, noisy: true },
      results: [
        {
          ...{ model: hostile, threads: 2, batch: 1, shapes: { input: [1, 3, 8, 8] } },
          engines: [
            { engine: "repvgg:native", description: "native", ...ran, agrees: true, ratio: 1 },
            { engine: "other", description: "other 1.0", ...ran, agrees: true, ratio: 2 },
            { engine: "wrong", description: "wrong 1.0", ...ran, agrees: false },
            { engine: "tfjs", absent: "has no threads in Node" },
          ],
        },
      ],
    });
  },
};
