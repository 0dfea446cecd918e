import { branchSum } from "../../tensor/ops/branch-sum.js";
import type { Tape } from "../../tensor/tape.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { BlockLayout } from "../layout.js";
import type { Weights } from "../weights.js";
import type { Block, BlockDefinition, ForwardOptions } from "./block.js";
import { BlockEnd } from "./block-end.js";
import {
  addConvBatchNormNodes,
  addConvBatchNormState,
  type ConvBatchNorm,
  convBatchNorm,
  convBranch,
  type KernelSize,
  square3,
} from "./conv-batch-norm.js";

/** Kernels by branch, named as the code of ACNet (Ding et al., 2019) names its layers: square, vertical, horizontal. */
const branches = [
  ["square", square3],
  ["ver", [3, 1]],
  ["hor", [1, 3]],
] as const satisfies readonly (readonly [string, KernelSize])[];

type BranchName = (typeof branches)[number][0];

const paths = (block: string, branch: BranchName) => ({
  conv: `${block}.${branch}_conv`,
  norm: `${block}.${branch}_bn`,
});

/** Asymmetric convolution block: BN(3×3 conv) + BN(3×1 conv) + BN(1×3 conv), then ReLU (paper, table 7, "ACB"). */
class AcbBlock implements Block {
  readonly layout: BlockLayout;
  readonly #branches: readonly ConvBatchNorm[];
  readonly #end: BlockEnd;

  constructor(weights: Weights, layout: BlockLayout) {
    this.layout = layout;
    this.#branches = branches.map(([name]) => convBatchNorm(weights, paths(layout.path, name)));
    this.#end = new BlockEnd(weights, layout);
  }

  forward(tape: Tape, x: Tensor, { training }: ForwardOptions): Tensor {
    const summands = this.#branches.map((branch) => convBranch(tape, x, branch, this.layout));
    return this.#end.forward(tape, (relu) => branchSum(tape, summands, { relu, training }));
  }
}

export const acb: BlockDefinition = {
  description: "3×3 + 3×1 + 1×3, each with BatchNorm",
  branches: { pointwise: "never", identity: "never" },
  addState(schema, layout) {
    for (const [name, kernel] of branches) addConvBatchNormState(schema, paths(layout.path, name), layout, kernel);
  },
  create: (weights, layout) => new AcbBlock(weights, layout),
  addNodes(builder, layout, input, output) {
    const summands = branches.map(
      ([branch, kernel]) =>
        (name?: string): string =>
          addConvBatchNormNodes(builder, paths(layout.path, branch), layout, kernel, input, name),
    );
    builder.sum(`${layout.path}.sum`, output, summands);
  },
};
