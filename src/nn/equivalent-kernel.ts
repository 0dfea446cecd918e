import { add } from "../tensor/ops/add.js";
import { addDirac } from "../tensor/ops/add-dirac.js";
import { batchNormScale } from "../tensor/ops/batch-norm-state.js";
import { padKernel } from "../tensor/ops/kernel-window.js";
import { multiply } from "../tensor/ops/multiply.js";
import { scaleOutputChannels } from "../tensor/ops/multiply-channel.js";
import { scale } from "../tensor/ops/scale.js";
import type { Tape } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";
import type { BranchBlock } from "./blocks/branch-block.js";
import type { BatchNormLayer } from "./weights.js";

/**
 * The one 3×3 kernel and bias that a training-form block equals in inference (paper, equations 3 and 4), as a function
 * that gradients flow through, to convolution weights, γ and β: for penalties and constraints on the plain form during
 * training. Folding a trained net is the graph's business; this is not used for it.
 * @returns kernel [3,3,I/groups,O] and bias [O]
 */
export function equivalentKernel(tape: Tape, block: BranchBlock): { kernel: Tensor; bias: Tensor } {
  const { dense, pointwise, identity } = block;
  const branches: { weight: Tensor; norm: BatchNormLayer }[] = [dense];
  if (pointwise) branches.push({ weight: padKernel(tape, pointwise.weight, 3, 3), norm: pointwise.norm });
  const sum = branches
    .map(({ weight, norm }) => {
      const { t, bias } = affine(tape, norm);
      return { kernel: scaleOutputChannels(tape, weight, t), bias };
    })
    .reduce((a, b) => ({ kernel: add(tape, a.kernel, b.kernel), bias: add(tape, a.bias, b.bias) }));
  if (!identity) return sum;
  const { t, bias } = affine(tape, identity);
  return { kernel: addDirac(tape, sum.kernel, t), bias: add(tape, sum.bias, bias) };
}

/** BatchNorm in inference as x · t + bias. */
function affine(tape: Tape, norm: BatchNormLayer): { t: Tensor; bias: Tensor } {
  const t = batchNormScale(tape, norm);
  return { t, bias: add(tape, norm.beta, scale(tape, multiply(tape, norm.runningMean, t), -1)) };
}
