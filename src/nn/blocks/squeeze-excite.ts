import { globalAveragePool } from "../../tensor/ops/global-average-pool.js";
import { linear } from "../../tensor/ops/linear.js";
import { multiplyChannel } from "../../tensor/ops/multiply-channel.js";
import { relu } from "../../tensor/ops/relu.js";
import { sigmoid } from "../../tensor/ops/sigmoid.js";
import type { Tape } from "../../tensor/tape.js";
import type { Parameter, Tensor } from "../../tensor/tensor.js";
import type { SqueezeExciteLayout } from "../layout.js";
import type { Weights } from "../weights.js";

/** Squeeze-and-excitation (Hu et al., 2018): x · sigmoid(up(relu(down(mean of x by channel)))). */
export class SqueezeExcite {
  readonly position: SqueezeExciteLayout["position"];
  readonly #down: Affine;
  readonly #up: Affine;

  constructor(weights: Weights, { path, position }: SqueezeExciteLayout) {
    this.position = position;
    this.#down = affine(weights, `${path}.down`);
    this.#up = affine(weights, `${path}.up`);
  }

  /** @param x [N,H,W,C] */
  forward(tape: Tape, x: Tensor): Tensor {
    const squeezed = relu(tape, linear(tape, globalAveragePool(tape, x), this.#down.weight, this.#down.bias));
    return multiplyChannel(tape, x, sigmoid(tape, linear(tape, squeezed, this.#up.weight, this.#up.bias)));
  }
}

interface Affine {
  readonly weight: Parameter;
  readonly bias: Parameter;
}

function affine(weights: Weights, path: string): Affine {
  return { weight: weights.parameter(`${path}.weight`), bias: weights.parameter(`${path}.bias`) };
}
