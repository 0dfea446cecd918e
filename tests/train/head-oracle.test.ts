import { afterAll, expect, it } from "vitest";
import { createBackend } from "#repvgg/backend/select.node.js";
import { createInThreadLoader } from "#repvgg/data/loader.js";
import { openDataset } from "#repvgg/index.js";
import { withClasses } from "#repvgg/nn/new-head.js";
import { repvgg } from "#repvgg/nn/repvgg.js";
import { headRateFor, tuningSettings } from "#repvgg/recipe/tuning-defaults.js";
import { trainConfig } from "#repvgg/train/config.js";
import { computeFeatures, featureLoader } from "#repvgg/train/features.js";
import { trainLoop } from "#repvgg/train/loop.js";
import { fitHead, headAccuracy } from "../../bench/logistic-regression.mjs";

const backend = await createBackend({ threads: 2 });
afterAll(() => backend.dispose());

it("a head trained with the default options is as good as the optimum of its features", async () => {
  const classes = 4;
  const [train, test] = await Promise.all(
    (["train", "test"] as const).map(async (split) => {
      const all = await openDataset("fashion-mnist-subset", split);
      const some = Array.from({ length: all.length }, (_, i) => i).filter((i) => all.label(i) < classes);
      return all.select(some.slice(0, 240));
    }),
  );
  const net = { depths: [1, 1], widths: [8, 16, 24], strides: [2, 2, 2] };
  const before = repvgg(net, { inputChannels: 1, classes: 10, inputSize: 28, statistics: "seeded" });
  const { model } = withClasses(before, ["a", "b", "c", "d"]);
  const facts = { pictures: 240, width: 28, height: 28 };
  const chosen = tuningSettings(facts, model.architecture, [28, 28], { freeze: "all-but-head" });
  expect(chosen.augmentation).toBe("none");
  const frozen = trainConfig({ freeze: "all-but-head", augmentation: {} });
  const framing = { size: [28, 28] as const, channels: 1 as const, batchSize: 60, seed: 0 };
  const features = async (dataset: typeof train) =>
    (await computeFeatures(backend, model, frozen, createInThreadLoader(dataset!, framing), { pictures: 240 }))!;
  const [own, tested] = [await features(train), await features(test)];
  expect(chosen.learningRate).toBeUndefined();
  const config = trainConfig({ ...frozen, ...chosen, augmentation: {}, learningRate: headRateFor(own.values, 240) });
  const { batchSize } = config;
  const scores: number[] = [];
  const result = await trainLoop({
    ...{ backend, model, config },
    trainLoader: featureLoader(own, { name: "own", batchSize, seed: 0, shuffle: true }),
    validationLoader: featureLoader(tested, { name: "tested", batchSize, seed: 0, shuffle: false }),
    onRecord: (record) => record.kind === "epoch" && scores.push(record.validation!.top1),
  });
  const best = fitHead(own, classes, { weightDecay: config.weightDecay });
  expect(Math.abs(scores.at(-1)! - headAccuracy(best, tested, classes))).toBeLessThan(0.02);

  // What is minimised, of both, on the training pictures.
  const { data: weights } = result.model.state.get("linear.weight")!;
  const { data: bias } = result.model.state.get("linear.bias")!;
  let objective = 0;
  for (const weight of weights) objective += (config.weightDecay / 2) * Number(weight) ** 2;
  for (let i = 0; i < 240; i++) {
    const scores = [...bias].map((b, c) => {
      let score = Number(b);
      for (let j = 0; j < 24; j++) score += Number(weights[c * 24 + j]) * own.values[i * 24 + j]!;
      return score;
    });
    objective += (Math.log(scores.reduce((sum, score) => sum + Math.exp(score), 0)) - scores[own.labels[i]!]!) / 240;
  }
  expect(objective).toBeGreaterThanOrEqual(best.objective - 1e-6);
  expect(objective).toBeLessThan(best.objective + 0.01);
}, 120_000);
