import { relu } from "../../tensor/ops/relu.js";
import type { Tape } from "../../tensor/tape.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { BlockLayout } from "../layout.js";
import type { Weights } from "../weights.js";
import { SqueezeExcite } from "./squeeze-excite.js";

/** How every block ends: ReLU, with squeeze-and-excitation before or after it where the net has that. */
export class BlockEnd {
  readonly #squeezeExcite: SqueezeExcite | undefined;

  constructor(weights: Weights, { squeezeExcite }: BlockLayout) {
    this.#squeezeExcite = squeezeExcite ? new SqueezeExcite(weights, squeezeExcite) : undefined;
  }

  /** @param sum gives the value before the ReLU, with the ReLU applied where it is asked for: one pass over memory less. */
  forward(tape: Tape, sum: (withRelu: boolean) => Tensor): Tensor {
    const se = this.#squeezeExcite;
    if (!se) return sum(true);
    return se.position === "after-relu" ? se.forward(tape, sum(true)) : relu(tape, se.forward(tape, sum(false)));
  }
}
