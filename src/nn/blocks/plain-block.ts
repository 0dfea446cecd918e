import { conv2d } from "../../tensor/ops/conv2d.js";
import { relu } from "../../tensor/ops/relu.js";
import type { Tape } from "../../tensor/tape.js";
import type { Parameter, Tensor } from "../../tensor/tensor.js";
import type { BlockLayout } from "../layout.js";
import type { Weights } from "../weights.js";
import type { Block } from "./block.js";
import { SqueezeExcite } from "./squeeze-excite.js";

/** The plain form: one 3×3 convolution with bias, then ReLU. */
export class PlainBlock implements Block {
  readonly layout: BlockLayout;
  readonly #weight: Parameter;
  readonly #bias: Parameter;
  readonly #squeezeExcite: SqueezeExcite | undefined;

  constructor(weights: Weights, layout: BlockLayout) {
    this.layout = layout;
    this.#weight = weights.parameter(`${layout.path}.rbr_reparam.weight`);
    this.#bias = weights.parameter(`${layout.path}.rbr_reparam.bias`);
    this.#squeezeExcite = layout.squeezeExcite ? new SqueezeExcite(weights, layout.squeezeExcite) : undefined;
  }

  forward(tape: Tape, x: Tensor): Tensor {
    const { stride, groups } = this.layout;
    const sum = conv2d(tape, x, this.#weight, { stride, padding: 1, groups, bias: this.#bias });
    const se = this.#squeezeExcite;
    if (!se) return relu(tape, sum);
    return se.position === "after-relu" ? se.forward(tape, relu(tape, sum)) : relu(tape, se.forward(tape, sum));
  }
}
