import { branchSum } from "../../tensor/ops/branch-sum.js";
import type { Tape } from "../../tensor/tape.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { BlockLayout } from "../layout.js";
import type { Weights } from "../weights.js";
import type { Block, BlockDefinition, ForwardOptions } from "./block.js";
import { BlockEnd } from "./block-end.js";
import { addBranchesState, Branches, branchNodes } from "./branches.js";

const identityNorm = false;

/** BN(3×3 conv) + BN(1×1 conv) + x, then ReLU (paper, table 7, "Identity w/o BN"). */
class IdentityWithoutBnBlock implements Block {
  readonly layout: BlockLayout;
  readonly #branches: Branches;
  readonly #end: BlockEnd;

  constructor(weights: Weights, layout: BlockLayout) {
    this.layout = layout;
    this.#branches = new Branches(weights, layout, { identityNorm });
    this.#end = new BlockEnd(weights, layout);
  }

  forward(tape: Tape, x: Tensor, { training }: ForwardOptions): Tensor {
    const branches = this.#branches.summands(tape, x);
    return this.#end.forward(tape, (relu) => branchSum(tape, branches, { relu, training }));
  }
}

export const identityWithoutBn: BlockDefinition = {
  description: "3×3 + 1×1, each with BatchNorm, + identity without",
  branches: { pointwise: "optional", identity: "always" },
  addState: (schema, layout) => addBranchesState(schema, layout, { identityNorm }),
  create: (weights, layout) => new IdentityWithoutBnBlock(weights, layout),
  addNodes(builder, layout, input, output) {
    builder.sum(`${layout.path}.sum`, output, branchNodes(builder, layout, input, { identityNorm }));
  },
};
