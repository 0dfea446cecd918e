import { branchSum } from "../../tensor/ops/branch-sum.js";
import type { Tape } from "../../tensor/tape.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { BlockLayout } from "../layout.js";
import type { Weights } from "../weights.js";
import type { Block, BlockDefinition, ForwardOptions } from "./block.js";
import { BlockEnd } from "./block-end.js";
import { addBranchesState, Branches, branchNodes } from "./branches.js";

const identityNorm = true;

/**
 * ReLU(BN(3×3 conv)) + ReLU(BN(1×1 conv)) + ReLU(BN(identity)) (paper, table 7, "+ReLU in branch"): not linear before its end, so that
 * no single convolution equals it. The ReLU that ends other blocks would change nothing here.
 */
class ReluInBranchesBlock implements Block {
  readonly layout: BlockLayout;
  readonly #branches: Branches;
  readonly #end: BlockEnd;

  constructor(weights: Weights, layout: BlockLayout) {
    this.layout = layout;
    this.#branches = new Branches(weights, layout, { identityNorm });
    this.#end = new BlockEnd(weights, layout);
  }

  forward(tape: Tape, x: Tensor, { training }: ForwardOptions): Tensor {
    const rectified = this.#branches
      .summands(tape, x)
      .map((branch) => ({ x: branchSum(tape, [branch], { relu: true, training }) }));
    return this.#end.forward(tape, () => branchSum(tape, rectified, { training }));
  }
}

export const reluInBranches: BlockDefinition = {
  description: "3×3 + 1×1 + identity, each with BatchNorm and ReLU",
  branches: { pointwise: "optional", identity: "optional" },
  unfoldable: "a ReLU stands in each branch, before the sum, and no single convolution equals a sum of ReLUs",
  addState: (schema, layout) => addBranchesState(schema, layout, { identityNorm }),
  create: (weights, layout) => new ReluInBranchesBlock(weights, layout),
  addNodes(builder, layout, input, output) {
    const { path } = layout;
    const rectified = branchNodes(builder, layout, input, { identityNorm }).map((branch) => (name?: string): string => {
      const normalized = branch();
      return builder.node("Relu", `${normalized}.relu`, [normalized], {}, name);
    });
    builder.sum(`${path}.sum`, output, rectified);
  },
};
