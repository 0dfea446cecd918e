import { blockKernels } from "#repvgg/analysis/block-kernels.js";
import { benchReport } from "#repvgg/api/bench/page.js";
import { zooReport } from "#repvgg/api/profile/zoo-page.js";
import { fold, loadModel, profile, profileReport, profileZoo, repvgg, verify } from "#repvgg/index.js";
import type { Report } from "#repvgg/report/page/section.js";
import { verifyReport } from "#repvgg/report/pages/verify-page.js";
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
    const difference = { count: 10, maxAbsolute: 1, meanAbsolute: 0.5, relative: 0.25, nonFinite: 2 };
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
