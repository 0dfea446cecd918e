import { afterAll, describe, expect, it } from "vitest";
import { createBackend } from "#repvgg/backend/select.node.js";
import { rngFor } from "#repvgg/core/rng.js";
import type { Batch } from "#repvgg/data/dataset.js";
import { createInThreadLoader } from "#repvgg/data/loader.js";
import { memoryDataset } from "#repvgg/data/memory-dataset.js";
import { blockLayouts } from "#repvgg/nn/layout.js";
import type { Model } from "#repvgg/nn/model.js";
import { repvgg } from "#repvgg/nn/repvgg.js";
import type { Checkpoint } from "#repvgg/train/checkpoint.js";
import { type TrainConfig, trainConfig } from "#repvgg/train/config.js";
import { computeFeatures, featureLoader, seesSamePictures } from "#repvgg/train/features.js";
import { freezingOf, keepsStatistics } from "#repvgg/train/freezing.js";
import { layerRates } from "#repvgg/train/layer-rates.js";
import { trainLoop } from "#repvgg/train/loop.js";
import { Trainer } from "#repvgg/train/trainer.js";

const backend = await createBackend({ threads: 2 });
afterAll(() => backend.dispose());

const classes = 3;
const options = { classes, inputSize: 8, seed: 2, statistics: "seeded" as const };
const net = repvgg({ depths: [1, 2], widths: [8, 8, 16], strides: [1, 1, 2] }, options);
const excited = repvgg(
  { depths: [1, 2], widths: [8, 8, 16], strides: [1, 1, 2], squeezeExcite: { position: "before-relu", ratio: 4 } },
  options,
);
const plus = repvgg("L2pse", { ...options, inputSize: 32, depths: [1, 1, 2, 1], widths: [8, 8, 8, 16, 16] });

function batchOf(count: number, seed: number, side = 8): Batch {
  const rng = rngFor(seed, "batch");
  return {
    ...{ size: count, height: side, width: side, channels: 3 },
    images: Uint8Array.from({ length: count * side * side * 3 }, () => rng.int(256)),
    labels: Int32Array.from({ length: count }, () => rng.int(classes)),
    indices: Int32Array.from({ length: count }, (_, i) => i),
  };
}

const config = (overrides: Partial<TrainConfig>): TrainConfig =>
  trainConfig({ augmentation: {}, batchSize: 6, seed: 9, weightDecay: 0.01, ...overrides });

function afterSteps(model: Model, c: TrainConfig, steps = 3): Model {
  const trainer = new Trainer(backend, model, c);
  const [side] = model.metadata.preprocessing.size;
  for (let step = 0; step < steps; step++) trainer.step(batchOf(6, step, side), 0.05, 0, step);
  const made = trainer.model();
  trainer.dispose();
  return made;
}

/** Names of the arrays whose bits are others. */
function moved(before: Model, after: Model): string[] {
  return [...before.state].flatMap(([name, { data }]) => {
    const now = after.state.get(name)!.data;
    return data.every((value, i) => value === now[i]) ? [] : [name];
  });
}

const isStatistic = (name: string): boolean => /running_|num_batches/.test(name);

const ways: [string, Model, Partial<TrainConfig>][] = [
  ["SGD", net, {}],
  ["AdamW", net, { optimizer: "adamw" }],
  ["an average of the weights", net, { ema: 0.7 }],
  ["custom L2", net, { customL2: true }],
  ["squeeze-and-excitation", excited, {}],
  ["auxiliary heads", plus, {}],
  ["mixup and accumulated parts", net, { mixup: 1, accumulate: 2 }],
];

describe.each(ways)("what is frozen keeps its bits: %s", (_, model, overrides) => {
  const layouts = blockLayouts(model.architecture);
  const stages = layouts.at(-1)!.stage + 1;

  it.each([0, 1, 2, stages, "all-but-head"] as const)("frozen: %s", (freeze) => {
    const changed = moved(model, afterSteps(model, config({ ...overrides, freeze })));
    const frozen = layouts.filter(({ stage }) => freeze === "all-but-head" || stage < freeze).map(({ path }) => path);
    const belongs = (name: string): boolean => frozen.some((path) => name.startsWith(`${path}.`));
    expect(changed.filter(belongs)).toEqual([]);
    expect(changed).toContain("linear.weight");
    // All of the rest moves, but for auxiliary heads of frozen blocks, which would learn for nobody.
    const rest = [...model.state.keys()].filter((name) => !belongs(name) && !name.includes("_aux."));
    expect(rest.filter((name) => !changed.includes(name) && !isDead(name))).toEqual([]);
    expect(changed.some((name) => name.includes("_aux."))).toBe(
      model === plus && freeze !== stages && freeze !== "all-but-head",
    );
  });

  it("BatchNorm's statistics, while γ, β and weights move", () => {
    const changed = moved(model, afterSteps(model, config({ ...overrides, batchNorm: "frozen" })));
    expect(changed.filter((name) => isStatistic(name) && !name.includes("_aux."))).toEqual([]);
    const learned = [...model.state.keys()].filter((name) => !isStatistic(name));
    expect(learned.filter((name) => !changed.includes(name) && !isDead(name))).toEqual([]);
  });
});

/** Squeeze's ReLUs of so few channels may all be off: then no gradient comes. */
function isDead(name: string): boolean {
  return /se\.(down|up)\./.test(name);
}

describe("freezing", () => {
  it("asks for stages that are there, and for nothing else", () => {
    expect(() => freezingOf(net.architecture, config({ freeze: 4 }))).toThrow(
      'expected at most 3 stages to freeze of custom, which has stage 0 to stage 2, received 4: "all-but-head" freezes them all',
    );
    expect(freezingOf(net.architecture, config({ freeze: 3 }))).toEqual({ blocks: 4, statistics: false });
    expect(freezingOf(net.architecture, config({ freeze: 2, batchNorm: "frozen" }))).toEqual({
      blocks: 2,
      statistics: true,
    });
    for (const freeze of [-1, 0.5, "head", Number.NaN, null]) {
      expect(() => config({ freeze: freeze as never })).toThrow(
        'expected freeze to be "all-but-head" or a number of stages',
      );
    }
    expect(() => config({ batchNorm: "dead" as never })).toThrow(
      'expected batchNorm "live" or "frozen", received "dead"',
    );
  });

  it("of everything or of all statistics leaves the statistics", () => {
    const keeps = (overrides: Partial<TrainConfig>): boolean => keepsStatistics(net.architecture, config(overrides));
    expect([keeps({}), keeps({ freeze: 2 }), keeps({ freeze: 3 }), keeps({ freeze: "all-but-head" })]).toEqual([
      false,
      false,
      true,
      true,
    ]);
    expect(keeps({ batchNorm: "frozen" })).toBe(true);
  });

  it("runs frozen blocks as in inference: the step's loss is that of running statistics", () => {
    const trainer = new Trainer(backend, net, config({ freeze: "all-but-head" }));
    const batch = batchOf(6, 1);
    const logits = trainer.logits(batch);
    let loss = 0;
    for (let i = 0; i < 6; i++) {
      const row = [...logits.subarray(i * classes, (i + 1) * classes)];
      loss += Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0)) - row[batch.labels[i]!]!;
    }
    expect(trainer.step(batch, 0.01, 0, 0)).toBeCloseTo(loss / 6, 5);
    const live = new Trainer(backend, net, config({ freeze: 2 }));
    expect(Math.abs(live.step(batch, 0.01, 0, 0) - loss / 6)).toBeGreaterThan(1e-3);
    live.dispose();
    trainer.dispose();
  });

  it("keeps optimizer state and averages of what moves only", () => {
    const namesOf = (overrides: Partial<TrainConfig>) => {
      const trainer = new Trainer(backend, net, config({ ema: 0.5, ...overrides }));
      const { average, optimizer } = trainer.state();
      trainer.dispose();
      return [[...average.keys()], [...optimizer.keys()]];
    };
    const head = ["linear.weight", "linear.bias"];
    expect(namesOf({ freeze: "all-but-head" })).toEqual([head, head.map((name) => `velocity.${name}`)]);
    const [average] = namesOf({ batchNorm: "frozen" });
    expect(average!.filter(isStatistic)).toEqual([]);
    expect(average).toContain("stage0.rbr_dense.bn.weight");
  });

  it("leaves no kernel memory behind", async () => {
    const before = backend.memory.usedWords;
    afterSteps(net, config({ freeze: 2, ema: 0.5 }));
    await featuresOf(net, config({ freeze: 2 }), pictures);
    expect(backend.memory.usedWords).toBe(before);
  });
});

const rng = rngFor(7, "pictures");
const pictures = memoryDataset({
  ...{ name: "m", classNames: ["a", "b", "c"], channels: 3, height: 8, width: 8 },
  pixels: Uint8Array.from({ length: 24 * 192 }, () => rng.int(256)),
  labels: Int32Array.from({ length: 24 }, () => rng.int(3)),
});
const framing = { size: [8, 8] as const, channels: 3 as const };

/** Kernels may add in another order for another number of pictures: the same number gives the same bits. */
function featuresOf(model: Model, c: TrainConfig, dataset: typeof pictures, maxBytes?: number, batchSize = 3) {
  const loader = createInThreadLoader(dataset, { batchSize, seed: 0, ...framing });
  return computeFeatures(backend, model, c, loader, {
    pictures: dataset.length,
    ...(maxBytes !== undefined && { maxBytes }),
  });
}

describe("features that are kept", () => {
  it.each([1, 2, "all-but-head"] as const)(
    "train the same bits as the pictures, also resumed: frozen %s",
    async (freeze) => {
      const c = config({ freeze, epochs: 3, accumulate: 2, ema: 0.5 });
      const features = (await featuresOf(net, c, pictures))!;
      expect(features.shape).toEqual(freeze === "all-but-head" ? [16] : [8, 8, 8]);
      const checkpoints: Checkpoint[] = [];
      const run = (kept: boolean, resume?: Checkpoint) =>
        trainLoop({
          ...{ backend, model: net, config: c },
          trainLoader: kept
            ? featureLoader(features, { name: "m", batchSize: 6, seed: c.seed, shuffle: true })
            : createInThreadLoader(pictures, { batchSize: 6, seed: c.seed, augmentation: {}, ...framing }),
          validationLoader: kept
            ? featureLoader(features, { name: "m", batchSize: 6, seed: 0, shuffle: false })
            : createInThreadLoader(pictures, { batchSize: 6, seed: 0, ...framing }),
          checkpointSeconds: 0,
          onCheckpoint: async (checkpoint) => {
            if (!kept) checkpoints.push(checkpoint);
          },
          ...(resume && { resume }),
        });
      const live = await run(false);
      const kept = await run(true);
      expect(kept.model).toEqual(live.model);
      expect(kept.position).toEqual(live.position);
      const halfway = checkpoints.find(({ position }) => position.epoch === 1 && position.stepInEpoch === 2)!;
      expect((await run(true, halfway)).model).toEqual(live.model);
      expect(moved(net, live.model)).toContain("linear.bias");
    },
  );

  it("are the same but for rounding whatever the batch that they are computed in", async () => {
    const c = config({ freeze: "all-but-head" });
    const [some, others] = [(await featuresOf(net, c, pictures))!, (await featuresOf(net, c, pictures, undefined, 7))!];
    some.values.forEach((value, i) => {
      if (Math.abs(value - others.values[i]!) > 1e-6) expect.fail(`${i}: ${value}, ${others.values[i]}`);
    });
    expect(others.labels).toEqual(some.labels);
  });

  it("say which pictures they are of, where broken ones are missing", async () => {
    const c = config({ freeze: "all-but-head" });
    const all = (await featuresOf(net, c, pictures))!;
    const some = (await featuresOf(net, c, pictures.select([4, 9, 2])))!;
    for (const [i, from] of [4, 9, 2].entries()) {
      expect(some.values.subarray(i * 16, (i + 1) * 16)).toEqual(all.values.subarray(from * 16, (from + 1) * 16));
      expect(some.labels[i]).toBe(pictures.label(from));
    }
    const loader = featureLoader(
      { ...some, indices: Int32Array.of(7, 8, 11) },
      { name: "m", batchSize: 2, seed: 0, shuffle: false },
    );
    const seen: number[] = [];
    for await (const { indices, labels, size } of loader.epoch(0)) {
      seen.push(...indices);
      expect([labels.length, indices.length]).toEqual([size, size]);
    }
    expect(seen).toEqual([7, 8, 11]);
  });

  it("are not kept where they would take more memory than they may", async () => {
    const c = config({ freeze: 1 });
    expect(await featuresOf(net, c, pictures, 24 * 512 * 4 - 1)).toBeUndefined();
    expect((await featuresOf(net, c, pictures, 24 * 512 * 4))!.values.length).toBe(24 * 512);
  });

  it("need pictures that are not varied", () => {
    const same = (overrides: Partial<TrainConfig>): boolean => seesSamePictures(config(overrides));
    const erasing = { probability: 0, scale: [0.1, 0.2], ratio: [1, 2], fill: 0 } as const;
    expect([same({}), same({ augmentation: { flip: 0, erasing } })]).toEqual([true, true]);
    const varied: Partial<TrainConfig>[] = [
      { mixup: 0.1 },
      { cutmix: 0.1 },
      { augmentation: { flip: 0.1 } },
      { augmentation: { crop: { kind: "pad", padding: 1, fill: "zero" } } },
      { augmentation: { randAugment: { operations: 1, magnitude: 3 } } },
      { augmentation: { colorJitter: { brightness: 0.1, contrast: 0, saturation: 0, hue: 0 } } },
      { augmentation: { erasing: { ...erasing, probability: 0.1 } } },
    ];
    for (const each of varied) expect(same(each), JSON.stringify(each)).toBe(false);
  });
});

describe("rates by layer", () => {
  it("are 1 in the heads, a part of that in the last block, and less in each block before", () => {
    const rate = layerRates(net.architecture, { backboneRate: 0.1, layerDecay: 0.5 });
    const rates = [...net.state.keys()].map((name): [string, number] => [name.replace(/\.rbr.*/, ""), rate(name)]);
    expect(new Map(rates)).toEqual(
      new Map([
        ["stage0", 0.0125],
        ["stage1.0", 0.025],
        ["stage2.0", 0.05],
        ["stage2.1", 0.1],
        ["linear.weight", 1],
        ["linear.bias", 1],
      ]),
    );
    const heads = layerRates(plus.architecture, { backboneRate: 0.1, layerDecay: 0.5 });
    expect([heads("stage1_aux.3.weight"), heads("stage3_first.blocks.0.post_se.up.bias") < 0.1]).toEqual([1, true]);
  });

  it.each(["sgd", "adamw"] as const)("move each weight by its part of the rate alone: %s", (optimizer) => {
    const shares = { backboneRate: 0.25, layerDecay: 0.5 };
    const uneven = afterSteps(net, config({ optimizer, ...shares }), 1);
    const even = afterSteps(net, config({ optimizer }), 1);
    const rate = layerRates(net.architecture, shares);
    for (const [name, { data }] of net.state) {
      const expected = isStatistic(name) ? 1 : rate(name);
      data.forEach((from, i) => {
        const whole = Number(even.state.get(name)!.data[i]) - Number(from);
        const part = Number(uneven.state.get(name)!.data[i]) - Number(from);
        if (Math.abs(part - expected * whole) > 1e-6 + 1e-4 * Math.abs(whole))
          expect.fail(`${name}[${i}]: ${part} of ${whole}`);
      });
    }
  });

  it("of 1 are the bits of a run without them", () => {
    expect(afterSteps(net, config({ backboneRate: 1, layerDecay: 1 }))).toEqual(afterSteps(net, config({})));
  });
});
