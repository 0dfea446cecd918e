import { afterAll, describe, expect, it } from "vitest";
import { createBackend } from "#repvgg/backend/select.node.js";
import { rngFor } from "#repvgg/core/rng.js";
import { drawMixing, softTargets } from "#repvgg/data/augmentation/mixing.js";
import { classCounts, imbalance, isUnbalanced } from "#repvgg/data/class-counts.js";
import { createInThreadLoader } from "#repvgg/data/loader.js";
import { memoryDataset } from "#repvgg/data/memory-dataset.js";
import { createNetwork } from "#repvgg/nn/network.js";
import { repvgg } from "#repvgg/nn/repvgg.js";
import { balanceFor, balanceRemedy } from "#repvgg/recipe/balance.js";
import { Tape } from "#repvgg/tensor/tape.js";
import type { Checkpoint } from "#repvgg/train/checkpoint.js";
import { classBalance } from "#repvgg/train/class-balance.js";
import { type TrainConfig, trainConfig } from "#repvgg/train/config.js";
import { trainLoop } from "#repvgg/train/loop.js";
import { batchLoss } from "#repvgg/train/loss.js";

const backends = [await createBackend({ threads: 1 }), await createBackend({ threads: 2 })] as const;
afterAll(() => {
  for (const backend of backends) backend.dispose();
});

const counts = [12, 6, 2];
const side = 8;
const model = repvgg(
  { depths: [1, 1], widths: [8, 8, 8], strides: [1, 1, 2] },
  { classes: 3, inputChannels: 1, inputSize: side, seed: 2, statistics: "seeded" },
);
const labels = counts.flatMap((count, label) => new Array<number>(count).fill(label));
const rng = rngFor(0, "unbalanced");
const pictures = memoryDataset({
  ...{ name: "unbalanced", classNames: ["a", "b", "c"], channels: 1, height: side, width: side, labels },
  pixels: Uint8Array.from({ length: labels.length * side * side }, () => rng.int(256)),
});

const config = (overrides: Partial<TrainConfig>): TrainConfig =>
  trainConfig({ augmentation: {}, batchSize: 10, epochs: 2, seed: 4, learningRate: 0.05, ...overrides });

describe("the balance of classes", () => {
  it("is chosen from three to one on", () => {
    expect(classCounts(pictures)).toEqual(counts);
    expect([imbalance(counts), imbalance([4, 0]), imbalance([5, 5])]).toEqual([6, 4, 1]);
    expect(
      [
        [29, 10],
        [30, 10],
        [2, 0],
        [3, 0],
      ].map(isUnbalanced),
    ).toEqual([false, true, false, true]);
    expect(
      [
        [29, 10],
        [30, 10],
      ].map(balanceFor),
    ).toEqual(["none", "logits"]);
  });

  it("adds the logarithms of the classes' shares to logits, and weighs classes by the inverse with a mean of 1", () => {
    const adjusted = classBalance(config({ balance: "logits", balanceStrength: 0.5 }), counts);
    expect(adjusted).toMatchObject({ mode: "logits" });
    const adjustment = [...(adjusted as { adjustment: Float32Array }).adjustment];
    for (const [c, n] of counts.entries()) expect(adjustment[c]).toBeCloseTo(0.5 * Math.log(n / 20), 6);
    const weighted = classBalance(config({ balance: "weights" }), counts) as { weights: Float32Array };
    // N / (classes · n): every class counts the same in all.
    for (const [c, n] of counts.entries()) expect(weighted.weights[c]).toBeCloseTo(20 / (3 * n), 5);
    const root = classBalance(config({ balance: "weights", balanceStrength: 0.5 }), counts) as typeof weighted;
    expect(root.weights[2]! / root.weights[0]!).toBeCloseTo(Math.sqrt(6), 5);
    expect(counts.reduce((sum, n, c) => sum + n * root.weights[c]!, 0) / 20).toBeCloseTo(1, 5);
    expect(classBalance(config({}), counts)).toBeUndefined();
  });

  it("leaves no class to infinity that has no pictures", () => {
    const { adjustment } = classBalance(config({ balance: "logits" }), [8, 0]) as { adjustment: Float32Array };
    expect(adjustment[1]).toBeCloseTo(Math.log(1 / 8), 6);
    const { weights } = classBalance(config({ balance: "weights" }), [8, 0]) as { weights: Float32Array };
    expect([...weights]).toEqual([1, 0]);
  });

  it("is told in the place of a warning's advice", () => {
    const warning = { problem: "unbalanced", message: "m", remedy: "r" } as const;
    const remedy = (overrides: Partial<TrainConfig>) => balanceRemedy(warning, config(overrides)).remedy;
    expect(remedy({})).toContain("nothing is done");
    expect(remedy({ balance: "logits" })).toContain("adjusted logits (--balance)");
    expect(remedy({ balance: "weights", balanceStrength: 0.5 })).toContain("weights of classes, strength 0.5");
    expect(balanceRemedy({ ...warning, problem: "leak" }, config({ balance: "logits" })).remedy).toBe("r");
  });

  it("is refused where it is none, or has no strength", () => {
    expect(() => config({ balance: "sampling" as never })).toThrow(/balance of none, logits, weights.*"sampling"/);
    for (const balanceStrength of [0, -1, 2.1, Number.NaN, "1" as never]) {
      expect(() => config({ balanceStrength })).toThrow("balanceStrength to be a number above 0, at most 2");
    }
  });
});

/** The loss of a batch as the docstrings say it, in float64, from the net's own logits. */
function naiveLoss(logits: Float32Array, targets: Float32Array, { balance, balanceStrength }: TrainConfig): number {
  const total = counts.reduce((a, b) => a + b);
  const inverse = counts.map((n) => (total / n) ** balanceStrength);
  const mean = inverse.reduce((sum, w, c) => sum + w * counts[c]!, 0) / total;
  let loss = 0;
  for (let row = 0; row < logits.length; row += 3) {
    const scores = counts.map(
      (n, c) => logits[row + c]! + (balance === "logits" ? balanceStrength * Math.log(n / total) : 0),
    );
    const logSum = Math.log(scores.reduce((sum, score) => sum + Math.exp(score), 0));
    scores.forEach((score, c) => {
      const weight = balance === "weights" ? inverse[c]! / mean : 1;
      loss -= (weight * targets[row + c]! * (score - logSum)) / (logits.length / 3);
    });
  }
  return loss;
}

const ways: [string, Partial<TrainConfig>][] = [
  ["adjusted logits", { balance: "logits" }],
  [
    "adjusted logits with smoothing and mixup",
    { balance: "logits", balanceStrength: 1.5, labelSmoothing: 0.2, mixup: 1 },
  ],
  ["weights", { balance: "weights" }],
  ["weights with smoothing and CutMix", { balance: "weights", balanceStrength: 0.5, labelSmoothing: 0.1, cutmix: 1 }],
];

describe.each(ways)("a loss with %s", (_, overrides) => {
  const whole = config(overrides);
  const balance = classBalance(whole, counts)!;
  const loader = createInThreadLoader(pictures, {
    batchSize: 10,
    size: [side, side],
    channels: 1,
    seed: 1,
    shuffle: true,
  });
  const place = { epoch: 0, step: 0, part: 0 };
  const { preprocessing } = model.metadata;

  it("is what its formula says, and so is its gradient, by finite differences", async () => {
    const [backend] = backends;
    const network = createNetwork(backend, model);
    const tape = new Tape(backend);
    for await (const batch of loader.epoch(0)) {
      const lossNow = (): number => {
        const value = batchLoss(tape, network, batch, preprocessing, whole, place, balance).toArray()[0]!;
        tape.reset();
        return value;
      };
      const mixing = drawMixing(whole, whole.seed, 0, 0, batch);
      const targets = softTargets(batch.labels, 3, whole.labelSmoothing, mixing);
      // The head's bias moves logits by as much: with weights of 0, they are the bias alone.
      const parameter = (name: string) => network.parameters().find((one) => one.name === name)!.tensor;
      const [weight, bias] = [parameter("linear.weight"), parameter("linear.bias")];
      const kept = weight.toArray().slice();
      weight.set(new Float32Array(weight.size));
      bias.set([0.3, -0.2, 0.7]);
      const rows = Float32Array.from({ length: 3 * batch.size }, (_value, i) => [0.3, -0.2, 0.7][i % 3]!);
      expect(lossNow()).toBeCloseTo(naiveLoss(rows, targets, whole), 5);
      weight.set(kept);
      for (const { tensor } of network.parameters()) tensor.clearGradient();
      tape.backward(batchLoss(tape, network, batch, preprocessing, whole, place, balance));
      tape.reset();
      for (const tensor of [bias, weight]) {
        const gradient = tensor.gradientToArray()!.slice();
        const values = tensor.toArray().slice();
        const largest = gradient.reduce((most, g) => Math.max(most, Math.abs(g)), 0);
        for (let i = 0; i < values.length; i++) {
          const at = (value: number): number => {
            const moved = values.slice();
            moved[i] = value;
            tensor.set(moved);
            return lossNow();
          };
          const difference = (at(values[i]! + 0.02) - at(values[i]! - 0.02)) / 0.04;
          expect(Math.abs(difference - gradient[i]!)).toBeLessThan(5e-3 * largest + 2e-5);
        }
        tensor.set(values);
      }
      break;
    }
    tape.dispose();
    network.dispose();
  });

  it("trains to the same bits on two threads, in accumulated parts, and after a stop", async () => {
    const run = (backend: (typeof backends)[number], resume?: Checkpoint, checkpoints?: Checkpoint[]) =>
      trainLoop({
        ...{ backend, model, config: config({ ...overrides, accumulate: 2 }), classCounts: counts },
        trainLoader: loader,
        validationLoader: createInThreadLoader(pictures, { batchSize: 10, size: [side, side], channels: 1, seed: 1 }),
        checkpointSeconds: -1,
        ...(resume && { resume }),
        onCheckpoint: async (checkpoint) => {
          checkpoints?.push(checkpoint);
        },
      });
    const checkpoints: Checkpoint[] = [];
    const whole = await run(backends[0], undefined, checkpoints);
    const [first] = checkpoints;
    expect(first!.position.step).toBe(1);
    const others = [await run(backends[1]), await run(backends[0], first)];
    for (const [name, { data }] of whole.model.state) {
      for (const other of others) expect(other.model.state.get(name)!.data, name).toEqual(data);
    }
  });
});

it("needs the classes' sizes", async () => {
  const loader = createInThreadLoader(pictures, { batchSize: 10, size: [side, side], channels: 1, seed: 1 });
  const whole = config({ balance: "logits" });
  const run = trainLoop({ backend: backends[0], model, config: whole, trainLoader: loader });
  await expect(run).rejects.toThrow("class counts");
});
