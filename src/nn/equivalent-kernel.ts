import { add } from "../tensor/ops/add.js";
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
  if (identity) branches.push({ weight: identityKernel(tape, dense.weight.shape), norm: identity });
  const folded = branches.map(({ weight, norm }) => {
    const t = batchNormScale(tape, norm);
    const shift = scale(tape, multiply(tape, norm.runningMean, t), -1);
    return { kernel: scaleOutputChannels(tape, weight, t), bias: add(tape, norm.beta, shift) };
  });
  return folded.reduce((sum, branch) => ({
    kernel: add(tape, sum.kernel, branch.kernel),
    bias: add(tape, sum.bias, branch.bias),
  }));
}

/** Output channel o is input channel o: at the centre, index o mod (I/groups) of its group. */
function identityKernel(tape: Tape, shape: readonly number[]): Tensor {
  const [, , inputs, outputs] = shape as [number, number, number, number];
  const kernel = new Float32Array(9 * inputs * outputs);
  for (let o = 0; o < outputs; o++) kernel[(4 * inputs + (o % inputs)) * outputs + o] = 1;
  return tape.constant(shape, kernel);
}
