import { branchSum } from "../../tensor/ops/branch-sum.js";
import type { Tape } from "../../tensor/tape.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { BlockLayout } from "../layout.js";
import type { BatchNormLayer, Weights } from "../weights.js";
import type { Block, BlockDefinition, ForwardOptions } from "./block.js";
import { BlockEnd } from "./block-end.js";
import { addBranchesState, Branches, branchNodes } from "./branches.js";
import type { ConvBatchNorm } from "./conv-batch-norm.js";

const identityNorm = true;

/** The training form (paper, section 3.3): BN(3×3 conv) + BN(1×1 conv) + BN(identity), then ReLU. */
export class BranchBlock implements Block {
  readonly layout: BlockLayout;
  readonly #branches: Branches;
  readonly #end: BlockEnd;

  constructor(weights: Weights, layout: BlockLayout) {
    this.layout = layout;
    this.#branches = new Branches(weights, layout, { identityNorm });
    this.#end = new BlockEnd(weights, layout);
  }

  get dense(): ConvBatchNorm {
    return this.#branches.dense;
  }

  get pointwise(): ConvBatchNorm | undefined {
    return this.#branches.pointwise;
  }

  get identity(): BatchNormLayer | undefined {
    return this.#branches.identity;
  }

  forward(tape: Tape, x: Tensor, { training }: ForwardOptions): Tensor {
    const branches = this.#branches.summands(tape, x);
    return this.#end.forward(tape, (relu) => branchSum(tape, branches, { relu, training }));
  }
}

export const branchBlock: BlockDefinition = {
  description: "3×3 + 1×1 + identity, each with BatchNorm",
  branches: { pointwise: "optional", identity: "optional" },
  addState: (schema, layout) => addBranchesState(schema, layout, { identityNorm }),
  create: (weights, layout) => new BranchBlock(weights, layout),
  addNodes(builder, layout, input, output) {
    builder.sum(`${layout.path}.sum`, output, branchNodes(builder, layout, input, { identityNorm }));
  },
};
