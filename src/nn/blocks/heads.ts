import { branchSum } from "../../tensor/ops/branch-sum.js";
import { conv2d } from "../../tensor/ops/conv2d.js";
import { globalAveragePool } from "../../tensor/ops/global-average-pool.js";
import { linear } from "../../tensor/ops/linear.js";
import type { Tape } from "../../tensor/tape.js";
import type { Parameter, Tensor } from "../../tensor/tensor.js";
import type { AuxHeadLayout } from "../layout.js";
import type { Weights } from "../weights.js";
import type { ForwardOptions } from "./block.js";
import { branchPaths, type ConvBatchNorm, convBatchNorm } from "./conv-batch-norm.js";

/** The classifier: mean of each channel, then a linear layer. */
export class Classifier {
  readonly #weight: Parameter;
  readonly #bias: Parameter;

  constructor(weights: Weights, path: string) {
    this.#weight = weights.parameter(`${path}.weight`);
    this.#bias = weights.parameter(`${path}.bias`);
  }

  /** @param x [N,H,W,C], or [N,C] where it is pooled already @returns [N,classes] */
  forward(tape: Tape, x: Tensor): Tensor {
    return linear(tape, x.shape.length === 2 ? x : this.pool(tape, x), this.#weight, this.#bias);
  }

  /** The mean of each channel. [N,H,W,C] → [N,C] */
  pool(tape: Tape, x: Tensor): Tensor {
    return globalAveragePool(tape, x);
  }
}

/** An auxiliary classifier of RepVGGplus, used in training only: 3×3 convolution of stride 2, BN, ReLU, classifier. */
export class AuxHead {
  readonly layout: AuxHeadLayout;
  readonly #conv: ConvBatchNorm;
  readonly #classifier: Classifier;

  constructor(weights: Weights, layout: AuxHeadLayout) {
    this.layout = layout;
    this.#conv = convBatchNorm(weights, branchPaths(`${layout.path}.0`));
    this.#classifier = new Classifier(weights, `${layout.path}.3`);
  }

  forward(tape: Tape, x: Tensor, { training }: ForwardOptions): Tensor {
    const { weight, norm } = this.#conv;
    const branch = { x: conv2d(tape, x, weight, { stride: 2, padding: 1 }), norm };
    return this.#classifier.forward(tape, branchSum(tape, [branch], { relu: true, training }));
  }
}
