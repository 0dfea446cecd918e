import { branchSum } from "../../tensor/ops/branch-sum.js";
import type { Tape } from "../../tensor/tape.js";
import type { Parameter, Tensor } from "../../tensor/tensor.js";
import type { BlockLayout } from "../layout.js";
import type { BatchNormLayer, Weights } from "../weights.js";
import type { Block, BlockDefinition, ForwardOptions } from "./block.js";
import { BlockEnd } from "./block-end.js";
import { addConvState, blockConv, square1, square3 } from "./conv-batch-norm.js";

/** BN(3×3 conv + 1×1 conv + x), then ReLU (paper, table 7, "Post-addition BN"). */
class PostAdditionBnBlock implements Block {
  readonly layout: BlockLayout;
  readonly #dense: Parameter;
  readonly #pointwise: Parameter | undefined;
  readonly #norm: BatchNormLayer;
  readonly #end: BlockEnd;

  constructor(weights: Weights, layout: BlockLayout) {
    const { path } = layout;
    this.layout = layout;
    this.#dense = weights.parameter(`${path}.rbr_dense.conv.weight`);
    this.#pointwise = layout.pointwise ? weights.parameter(`${path}.rbr_1x1.conv.weight`) : undefined;
    this.#norm = weights.batchNorm(`${path}.bn`);
    this.#end = new BlockEnd(weights, layout);
  }

  forward(tape: Tape, x: Tensor, { training }: ForwardOptions): Tensor {
    const branches = [{ x: blockConv(tape, x, this.#dense, this.layout) }];
    if (this.#pointwise) branches.push({ x: blockConv(tape, x, this.#pointwise, this.layout) });
    if (this.layout.identity) branches.push({ x });
    const sum = branches.length > 1 ? branchSum(tape, branches, { training }) : branches[0]!.x;
    return this.#end.forward(tape, (relu) => branchSum(tape, [{ x: sum, norm: this.#norm }], { relu, training }));
  }
}

export const postAdditionBn: BlockDefinition = {
  description: "3×3 + 1×1 + identity, one BatchNorm after the sum",
  branches: { pointwise: "optional", identity: "optional" },
  addState(schema, layout) {
    const { path } = layout;
    addConvState(schema, `${path}.rbr_dense.conv`, layout, square3);
    if (layout.pointwise) addConvState(schema, `${path}.rbr_1x1.conv`, layout, square1);
    schema.batchNorm(`${path}.bn`, layout.outChannels);
  },
  create: (weights, layout) => new PostAdditionBnBlock(weights, layout),
  addNodes(builder, layout, input, output) {
    const { path, stride, groups } = layout;
    const branches = [
      (name?: string) =>
        builder.conv(`${path}.rbr_dense.conv`, input, {
          kernel: square3,
          stride,
          groups,
          ...(name && { output: name }),
        }),
    ];
    if (layout.pointwise) {
      branches.push((name) =>
        builder.conv(`${path}.rbr_1x1.conv`, input, { kernel: square1, stride, groups, ...(name && { output: name }) }),
      );
    }
    if (layout.identity) branches.push(() => input);
    builder.batchNorm(`${path}.bn`, builder.sum(`${path}.sum`, `${path}.sum.last`, branches), output);
  },
};
