import { type Branch, branchSum } from "../../tensor/ops/branch-sum.js";
import type { Tape } from "../../tensor/tape.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { BlockLayout } from "../layout.js";
import type { NetGraphBuilder, Summand } from "../to-graph-builder.js";
import type { BatchNormLayer, Weights } from "../weights.js";
import type { Block, BlockDefinition, ForwardOptions } from "./block.js";
import { BlockEnd } from "./block-end.js";
import { addBranchesState, Branches, branchNodes } from "./branches.js";
import {
  addConvBatchNormNodes,
  addConvBatchNormState,
  addConvState,
  blockConv,
  branchPaths,
  convBatchNorm,
  convBranch,
  square1,
  square3,
} from "./conv-batch-norm.js";

/** The summands on the tape; those with a norm are normalised by the sum. */
type Summands = (tape: Tape, x: Tensor) => Branch[];

/** BN(sum of branches), then ReLU: the BatchNorm after the sum is `<block>.bn`. */
class PostNormBlock implements Block {
  readonly layout: BlockLayout;
  readonly #summands: Summands;
  readonly #norm: BatchNormLayer;
  readonly #end: BlockEnd;

  constructor(weights: Weights, layout: BlockLayout, summands: Summands) {
    this.layout = layout;
    this.#summands = summands;
    this.#norm = weights.batchNorm(`${layout.path}.bn`);
    this.#end = new BlockEnd(weights, layout);
  }

  forward(tape: Tape, x: Tensor, { training }: ForwardOptions): Tensor {
    const sum = branchSum(tape, this.#summands(tape, x), { training });
    return this.#end.forward(tape, (relu) => branchSum(tape, [{ x: sum, norm: this.#norm }], { relu, training }));
  }
}

function addPostNormNodes(builder: NetGraphBuilder, path: string, summands: readonly Summand[], output: string): void {
  builder.batchNorm(`${path}.bn`, builder.sum(`${path}.sum`, `${path}.sum.last`, summands), output);
}

const identityNorm = true;

/**
 * BN(BN(3×3 conv) + BN(1×1 conv) + BN(identity)), then ReLU: RepVGG with one more BatchNorm. The code of QARepVGG (Chu et
 * al., arXiv:2212.01593) calls it V1.
 */
export const qarepvggV1: BlockDefinition = {
  description: "3×3 + 1×1 + identity, each with BatchNorm, and one after the sum",
  branches: { pointwise: "optional", identity: "optional" },
  addState(schema, layout) {
    addBranchesState(schema, layout, { identityNorm });
    schema.batchNorm(`${layout.path}.bn`, layout.outChannels);
  },
  create(weights, layout) {
    const branches = new Branches(weights, layout, { identityNorm });
    return new PostNormBlock(weights, layout, (tape, x) => branches.summands(tape, x));
  },
  addNodes: (builder, layout, input, output) =>
    addPostNormNodes(builder, layout.path, branchNodes(builder, layout, input, { identityNorm }), output),
};

/**
 * BN(BN(3×3 conv) + 1×1 conv + x), then ReLU: QARepVGG (Chu et al., arXiv:2212.01593, section 4, setting S4; V2 in its code),
 * made so that the folded net can be quantized. The 1×1 kernel is `<block>.rbr_1x1.weight`.
 */
export const qarepvgg: BlockDefinition = {
  description: "3×3 with BatchNorm + 1×1 + identity without, one BatchNorm after the sum",
  branches: { pointwise: "optional", identity: "optional" },
  addState(schema, layout) {
    const { path } = layout;
    addConvBatchNormState(schema, branchPaths(`${path}.rbr_dense`), layout, square3);
    if (layout.pointwise) addConvState(schema, `${path}.rbr_1x1`, layout, square1);
    schema.batchNorm(`${path}.bn`, layout.outChannels);
  },
  create(weights, layout) {
    const { path } = layout;
    const dense = convBatchNorm(weights, branchPaths(`${path}.rbr_dense`));
    const pointwise = layout.pointwise ? weights.parameter(`${path}.rbr_1x1.weight`) : undefined;
    return new PostNormBlock(weights, layout, (tape, x) => [
      convBranch(tape, x, dense, layout),
      ...(pointwise ? [{ x: blockConv(tape, x, pointwise, layout) }] : []),
      ...(layout.identity ? [{ x }] : []),
    ]);
  },
  addNodes(builder, layout, input, output) {
    const { path, stride, groups } = layout;
    const summands: Summand[] = [
      (name) => addConvBatchNormNodes(builder, branchPaths(`${path}.rbr_dense`), layout, square3, input, name),
    ];
    if (layout.pointwise) {
      summands.push((name) =>
        builder.conv(`${path}.rbr_1x1`, input, { kernel: square1, stride, groups, output: name }),
      );
    }
    if (layout.identity) summands.push(() => input);
    addPostNormNodes(builder, path, summands, output);
  },
};
