import { conv2d } from "../../tensor/ops/conv2d.js";
import { relu } from "../../tensor/ops/relu.js";
import type { Tape } from "../../tensor/tape.js";
import type { Parameter, Tensor } from "../../tensor/tensor.js";
import type { BlockLayout } from "../layout.js";
import type { Weights } from "../weights.js";
import type { Block } from "./block.js";
import { BlockEnd } from "./block-end.js";

/** The plain form: one 3×3 convolution with bias, then ReLU. */
export class PlainBlock implements Block {
  readonly layout: BlockLayout;
  readonly #weight: Parameter;
  readonly #bias: Parameter;
  readonly #end: BlockEnd;

  constructor(weights: Weights, layout: BlockLayout) {
    this.layout = layout;
    this.#weight = weights.parameter(`${layout.path}.rbr_reparam.weight`);
    this.#bias = weights.parameter(`${layout.path}.rbr_reparam.bias`);
    this.#end = new BlockEnd(weights, layout);
  }

  forward(tape: Tape, x: Tensor): Tensor {
    const { stride, groups } = this.layout;
    const sum = conv2d(tape, x, this.#weight, { stride, padding: 1, groups, bias: this.#bias });
    return this.#end.forward(tape, (withRelu) => (withRelu ? relu(tape, sum) : sum));
  }
}
