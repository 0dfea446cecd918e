import { type Branch, branchSum } from "../../tensor/ops/branch-sum.js";
import { conv2d } from "../../tensor/ops/conv2d.js";
import { relu } from "../../tensor/ops/relu.js";
import type { Tape } from "../../tensor/tape.js";
import type { Parameter, Tensor } from "../../tensor/tensor.js";
import type { BlockLayout } from "../layout.js";
import type { BatchNormLayer, Weights } from "../weights.js";
import type { Block, ForwardOptions } from "./block.js";
import { SqueezeExcite } from "./squeeze-excite.js";

/** A convolution without bias, and the BatchNorm after it. */
export interface ConvBatchNorm {
  /** [k,k,I/groups,O] */
  readonly weight: Parameter;
  readonly norm: BatchNormLayer;
}

/** The training form (paper, section 3.3): BN(3×3 conv) + BN(1×1 conv) + BN(identity), then ReLU. */
export class BranchBlock implements Block {
  readonly layout: BlockLayout;
  readonly dense: ConvBatchNorm;
  readonly pointwise: ConvBatchNorm | undefined;
  readonly identity: BatchNormLayer | undefined;
  readonly #squeezeExcite: SqueezeExcite | undefined;

  constructor(weights: Weights, layout: BlockLayout) {
    const { path, squeezeExcite } = layout;
    this.layout = layout;
    this.dense = convBatchNorm(weights, `${path}.rbr_dense`);
    this.pointwise = layout.pointwise ? convBatchNorm(weights, `${path}.rbr_1x1`) : undefined;
    this.identity = layout.identity ? weights.batchNorm(`${path}.rbr_identity`) : undefined;
    this.#squeezeExcite = squeezeExcite ? new SqueezeExcite(weights, squeezeExcite) : undefined;
  }

  forward(tape: Tape, x: Tensor, { training }: ForwardOptions): Tensor {
    const { stride, groups } = this.layout;
    const branches: Branch[] = [
      { x: conv2d(tape, x, this.dense.weight, { stride, padding: 1, groups }), norm: this.dense.norm },
    ];
    if (this.pointwise) {
      branches.push({ x: conv2d(tape, x, this.pointwise.weight, { stride, groups }), norm: this.pointwise.norm });
    }
    if (this.identity) branches.push({ x, norm: this.identity });
    const se = this.#squeezeExcite;
    if (!se) return branchSum(tape, branches, { relu: true, training });
    if (se.position === "after-relu") return se.forward(tape, branchSum(tape, branches, { relu: true, training }));
    return relu(tape, se.forward(tape, branchSum(tape, branches, { training })));
  }
}

export function convBatchNorm(weights: Weights, path: string): ConvBatchNorm {
  return { weight: weights.parameter(`${path}.conv.weight`), norm: weights.batchNorm(`${path}.bn`) };
}
