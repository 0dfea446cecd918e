import type { Preprocessing } from "../core/preprocessing.js";
import { cutRegions, drawMixing, type Mixing, softTargets } from "../data/augmentation/mixing.js";
import type { Batch } from "../data/dataset.js";
import type { Network, NetworkForwardOptions, NetworkOutput } from "../nn/network.js";
import { add } from "../tensor/ops/add.js";
import { normalizeImages } from "../tensor/ops/normalize-images.js";
import { scale } from "../tensor/ops/scale.js";
import { softmaxCrossEntropy } from "../tensor/ops/softmax-cross-entropy.js";
import type { Tape } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";
import { type ClassBalance, weighTargets } from "./class-balance.js";
import type { TrainConfig } from "./config.js";
import type { TrainingBatch } from "./training-batch.js";

/** A batch as the net's input [N, H, W, C]. */
export function inputTensor(tape: Tape, batch: Batch, preprocessing: Preprocessing): Tensor {
  return normalizeImages(tape, batch.images, [batch.size, batch.height, batch.width, batch.channels], preprocessing);
}

/** The net's outputs for a batch: of pictures, or of what its frozen part made of them before. */
export function forwardBatch(
  tape: Tape,
  network: Network,
  batch: TrainingBatch,
  preprocessing: Preprocessing,
  options: NetworkForwardOptions,
  mixing?: Mixing,
): NetworkOutput {
  if (!("features" in batch)) return network.forward(tape, mixedInput(tape, batch, preprocessing, mixing), options);
  return network.forwardFeatures(tape, tape.constant([batch.size, ...batch.shape], batch.features), options);
}

/** Where in a run a batch is: what mixing depends on besides the seed. */
export interface BatchPlace {
  readonly epoch: number;
  /** Optimizer step. */
  readonly step: number;
  /** Part of the step's batch (gradient accumulation). */
  readonly part: number;
}

/**
 * Forward pass in training mode and the loss that is trained: cross-entropy with label smoothing, mixing and the classes' balance, plus
 * `auxiliaryWeight` × that of each auxiliary head, plus weightDecay / 2 · (the authors' custom L2) where that is on.
 */
export function batchLoss(
  tape: Tape,
  network: Network,
  batch: TrainingBatch,
  preprocessing: Preprocessing,
  config: TrainConfig,
  place: BatchPlace,
  balance?: ClassBalance,
): Tensor {
  const step = place.step * config.accumulate + place.part;
  const mixing = "features" in batch ? undefined : drawMixing(config, config.seed, place.epoch, step, batch);
  const classes = network.classes;
  const shares = softTargets(batch.labels, classes, config.labelSmoothing, mixing);
  const weights = balance?.mode === "weights" ? weighTargets(shares, balance.weights) : undefined;
  const targets = tape.constant([batch.size, classes], shares);
  const entropy = (scores: Tensor): Tensor =>
    softmaxCrossEntropy(tape, adjusted(tape, scores, balance), targets, weights);

  const { logits, auxiliary } = forwardBatch(tape, network, batch, preprocessing, { training: true }, mixing);
  let loss = entropy(logits);
  for (const head of auxiliary) {
    loss = add(tape, loss, scale(tape, entropy(head), config.auxiliaryWeight));
  }
  if (config.customL2) loss = add(tape, loss, scale(tape, network.customL2(tape), config.weightDecay / 2));
  return loss;
}

/** Logits with each class's adjustment, where there is one. */
function adjusted(tape: Tape, logits: Tensor, balance: ClassBalance | undefined): Tensor {
  if (balance?.mode !== "logits") return logits;
  const { adjustment } = balance;
  const rows = Float32Array.from({ length: logits.size }, (_, i) => adjustment[i % adjustment.length]!);
  return add(tape, logits, tape.constant(logits.shape, rows));
}

function mixedInput(tape: Tape, batch: Batch, preprocessing: Preprocessing, mixing: Mixing | undefined): Tensor {
  if (mixing?.kind === "cutmix") {
    return inputTensor(tape, { ...batch, images: cutRegions(batch.images.slice(), batch, mixing) }, preprocessing);
  }
  const x = inputTensor(tape, batch, preprocessing);
  return mixing ? mixup(tape, x, mixing) : x;
}

/** x[i] = λ·x[i] + (1 − λ)·x[partner[i]] */
function mixup(tape: Tape, x: Tensor, { lambda, partner }: Mixing): Tensor {
  const mixed = scale(tape, x, lambda);
  const n = x.size / partner.length;
  tape.run(
    Array.from(partner, (from, to) => ({
      kernel: "axpy" as const,
      args: { x: x.pointer + from * n, y: mixed.pointer + to * n, n, alpha: 1 - lambda },
    })),
  );
  return mixed;
}
