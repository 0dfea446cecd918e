import { ShapeError } from "../../core/errors.js";
import type { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";
import { multiply } from "./multiply.js";

/** Everything that one BatchNorm layer keeps; all tensors are [C]. */
export interface BatchNormState {
  /** The affine scale γ and shift β. */
  readonly gamma: Tensor;
  readonly beta: Tensor;
  /** Running statistics: training updates them, evaluation normalises by them. The variance is the unbiased one. */
  readonly runningMean: Tensor;
  readonly runningVariance: Tensor;
  /**
   * Weight of a new batch: running = (1 − momentum) · running + momentum · batch, as PyTorch's BatchNorm2d.
   * "cumulative": exact statistics of everything seen since `observed.samples` was 0 (means and squared deviations
   * merged by Chan's formula), for the re-estimation of statistics over a data set.
   */
  readonly momentum: number | "cumulative";
  /** Added to the variance before the square root. */
  readonly eps: number;
  /** Training batches so far (PyTorch's num_batches_tracked) and values per channel in them; counted up here. */
  readonly observed: { batches: number; samples: number };
}

/** @throws ShapeError when a tensor of the state is not [channels]. */
export function checkBatchNormState(norm: BatchNormState, channels: number): void {
  for (const tensor of [norm.gamma, norm.beta, norm.runningMean, norm.runningVariance]) {
    if (tensor.size !== channels) {
      throw new ShapeError({ expected: `BatchNorm over ${channels} channels`, received: `[${tensor.shape}]` });
    }
  }
}

/**
 * Takes one batch's statistics into the running ones.
 * @param variance biased: Σ (x − mean)² / samples
 * @param samples values per channel, batch · height · width
 */
export function observeBatch(norm: BatchNormState, mean: Float32Array, variance: Float32Array, samples: number): void {
  const { backend, size } = norm.runningMean;
  const runningMean = backend.f32(norm.runningMean.pointer, size);
  const runningVariance = backend.f32(norm.runningVariance.pointer, size);
  if (norm.momentum === "cumulative") {
    const before = norm.observed.samples;
    const after = before + samples;
    for (let c = 0; c < size; c++) {
      const delta = mean[c]! - runningMean[c]!;
      const deviations =
        before === 0 ? 0 : runningVariance[c]! * (before - 1) + (delta * delta * before * samples) / after;
      runningMean[c] = before === 0 ? mean[c]! : runningMean[c]! + (delta * samples) / after;
      runningVariance[c] = (deviations + variance[c]! * samples) / (after - 1);
    }
  } else {
    const [old, unbiased] = [1 - norm.momentum, samples / (samples - 1)];
    for (let c = 0; c < size; c++) {
      runningMean[c] = old * runningMean[c]! + norm.momentum * mean[c]!;
      runningVariance[c] = old * runningVariance[c]! + norm.momentum * unbiased * variance[c]!;
    }
  }
  norm.observed.batches += 1;
  norm.observed.samples += samples;
}

/** 1 / √(σ² + ε) by channel. */
export function inverseDeviation(variance: Float32Array, eps: number): Float64Array {
  const inverse = new Float64Array(variance.length);
  for (let c = 0; c < inverse.length; c++) inverse[c] = 1 / Math.sqrt(variance[c]! + eps);
  return inverse;
}

/**
 * t = γ / √(running variance + ε), the factor by which inference-mode BatchNorm scales a channel (paper, equation 3);
 * gradient flows to γ.
 * @returns [C]
 */
export function batchNormScale(tape: Tape, norm: BatchNormState): Tensor {
  const inverse = inverseDeviation(norm.runningVariance.toArray(), norm.eps);
  return multiply(tape, norm.gamma, tape.constant(norm.gamma.shape, inverse));
}
