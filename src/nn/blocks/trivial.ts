import { addDirac } from "../../tensor/ops/add-dirac.js";
import { branchSum } from "../../tensor/ops/branch-sum.js";
import type { Tape } from "../../tensor/tape.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { BlockLayout } from "../layout.js";
import type { Weights } from "../weights.js";
import type { Block, BlockDefinition, ForwardOptions } from "./block.js";
import { BlockEnd } from "./block-end.js";
import {
  addConvBatchNormState,
  blockConv,
  branchPaths,
  type ConvBatchNorm,
  convBatchNorm,
  square3,
} from "./conv-batch-norm.js";
import { withDirac } from "./dirac-kernel.js";

/**
 * BN(x ∗ (W + I)), then ReLU (paper, table 7, "Trivial Re-param"): DiracNet's kernel without its factors and norm. I is the
 * Dirac kernel of withDirac, in every layer.
 */
class TrivialBlock implements Block {
  readonly layout: BlockLayout;
  readonly #conv: ConvBatchNorm;
  readonly #end: BlockEnd;

  constructor(weights: Weights, layout: BlockLayout) {
    this.layout = layout;
    this.#conv = convBatchNorm(weights, branchPaths(layout.path));
    this.#end = new BlockEnd(weights, layout);
  }

  forward(tape: Tape, x: Tensor, { training }: ForwardOptions): Tensor {
    const { weight, norm } = this.#conv;
    const branch = { x: blockConv(tape, x, addDirac(tape, weight), this.layout), norm };
    return this.#end.forward(tape, (relu) => branchSum(tape, [branch], { relu, training }));
  }
}

export const trivial: BlockDefinition = {
  description: "3×3 with the kernel W + I, BatchNorm",
  branches: { pointwise: "never", identity: "never" },
  addState: (schema, layout) => addConvBatchNormState(schema, branchPaths(layout.path), layout, square3),
  create: (weights, layout) => new TrivialBlock(weights, layout),
  addNodes(builder, layout, input, output) {
    const { path, stride, groups } = layout;
    const { data, shape } = builder.numbers(`${path}.conv.weight`);
    const weight = withDirac(data.slice(), shape);
    builder.batchNorm(
      `${path}.bn`,
      builder.conv(`${path}.conv`, input, { kernel: square3, stride, groups, weight }),
      output,
    );
  },
};
