import { add } from "../tensor/ops/add.js";
import { cropKernel } from "../tensor/ops/kernel-window.js";
import { scaleOutputChannels } from "../tensor/ops/multiply-channel.js";
import { scale } from "../tensor/ops/scale.js";
import { sumSquares } from "../tensor/ops/sum.js";
import type { Tape } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";
import type { BranchBlock } from "./blocks/branch-block.js";
import type { BatchNormLayer } from "./weights.js";

/**
 * The authors' custom L2 (their repository, `get_custom_L2`), which takes the place of weight decay on a block's 3×3 and
 * 1×1 kernels: with t = γ/√(σ² + ε) of each branch, held constant,
 * Σ K₃² outside the centre + Σ (K₃ᶜ·t₃ + K₁·t₁)² / (t₃² + t₁²). Without a 1×1 branch it is Σ K₃². Loss gains
 * ½ · decay · this. Channels whose t₃ and t₁ are both 0 count nothing at the centre.
 * @returns []
 */
export function blockCustomL2(tape: Tape, block: BranchBlock): Tensor {
  const { dense, pointwise } = block;
  if (!pointwise) return sumSquares(tape, dense.weight);
  const [t3, t1] = [scales(dense.norm), scales(pointwise.norm)];
  const normalized = (t: Float64Array): Tensor =>
    tape.constant(
      [t.length],
      t.map((value, o) => value / (Math.hypot(t3[o]!, t1[o]!) || 1)),
    );
  const centre = cropKernel(tape, dense.weight, 1, 1);
  const circle = add(tape, sumSquares(tape, dense.weight), scale(tape, sumSquares(tape, centre), -1));
  const equivalent = add(
    tape,
    scaleOutputChannels(tape, centre, normalized(t3)),
    scaleOutputChannels(tape, pointwise.weight, normalized(t1)),
  );
  return add(tape, circle, sumSquares(tape, equivalent));
}

/**
 * Sum of {@link blockCustomL2} over blocks, at least one.
 * @returns []
 */
export function customL2(tape: Tape, blocks: readonly BranchBlock[]): Tensor {
  return blocks.map((block) => blockCustomL2(tape, block)).reduce((total, value) => add(tape, total, value));
}

function scales({ gamma, runningVariance, eps }: BatchNormLayer): Float64Array {
  const variance = runningVariance.toArray();
  return Float64Array.from(gamma.toArray(), (value, c) => value / Math.sqrt(variance[c]! + eps));
}
