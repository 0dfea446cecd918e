import type { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";
import type { BatchNormState } from "./batch-norm-state.js";
import { branchSum } from "./branch-sum.js";

/**
 * y = γ · (x − μ) / √(σ² + ε) + β by channel: {@link branchSum} of one branch, where statistics and gradients stand.
 *
 * @param x [N,H,W,C] or [N,C]
 */
export function batchNorm(
  tape: Tape,
  x: Tensor,
  norm: BatchNormState,
  options: { readonly training: boolean },
): Tensor {
  return branchSum(tape, [{ x, norm }], options);
}
