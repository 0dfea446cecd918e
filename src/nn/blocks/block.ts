import type { Tape } from "../../tensor/tape.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { BlockLayout } from "../layout.js";

export interface ForwardOptions {
  /** BatchNorm normalises by the batch and updates its running statistics. */
  readonly training: boolean;
}

/** A step of a network: x [N,H,W,I] → [N,H/stride,W/stride,O]. */
export interface Block {
  readonly layout: BlockLayout;
  forward(tape: Tape, x: Tensor, options: ForwardOptions): Tensor;
}
