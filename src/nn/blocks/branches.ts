import type { Branch } from "../../tensor/ops/branch-sum.js";
import type { Tape } from "../../tensor/tape.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { BlockLayout } from "../layout.js";
import type { SchemaBuilder } from "../schema-builder.js";
import type { NetGraphBuilder, Summand } from "../to-graph-builder.js";
import type { BatchNormLayer, Weights } from "../weights.js";
import {
  addConvBatchNormNodes,
  addConvBatchNormState,
  branchPaths,
  type ConvBatchNorm,
  convBatchNorm,
  convBranch,
  square1,
  square3,
} from "./conv-batch-norm.js";

export interface BranchesOptions {
  /** The identity branch has a BatchNorm. */
  readonly identityNorm: boolean;
}

/** The branches of a RepVGG block under their official names: BN(3×3 conv), BN(1×1 conv) and the input, BN or not. */
export class Branches {
  readonly dense: ConvBatchNorm;
  readonly pointwise: ConvBatchNorm | undefined;
  readonly identity: BatchNormLayer | undefined;
  readonly #layout: BlockLayout;

  constructor(weights: Weights, layout: BlockLayout, { identityNorm }: BranchesOptions) {
    const { path } = layout;
    this.#layout = layout;
    this.dense = convBatchNorm(weights, branchPaths(`${path}.rbr_dense`));
    this.pointwise = layout.pointwise ? convBatchNorm(weights, branchPaths(`${path}.rbr_1x1`)) : undefined;
    this.identity = layout.identity && identityNorm ? weights.batchNorm(`${path}.rbr_identity`) : undefined;
  }

  /** Those that the block has, not normalised yet: one to three. */
  summands(tape: Tape, x: Tensor): Branch[] {
    const branches: Branch[] = [convBranch(tape, x, this.dense, this.#layout)];
    if (this.pointwise) branches.push(convBranch(tape, x, this.pointwise, this.#layout));
    if (this.#layout.identity) branches.push(this.identity ? { x, norm: this.identity } : { x });
    return branches;
  }
}

/** In the official order: identity first. */
export function addBranchesState(schema: SchemaBuilder, layout: BlockLayout, { identityNorm }: BranchesOptions): void {
  const { path } = layout;
  if (layout.identity && identityNorm) schema.batchNorm(`${path}.rbr_identity`, layout.outChannels, { decay: true });
  addConvBatchNormState(schema, branchPaths(`${path}.rbr_dense`), layout, square3);
  if (layout.pointwise) addConvBatchNormState(schema, branchPaths(`${path}.rbr_1x1`), layout, square1);
}

/** The branches as nodes, each made when it is asked for. */
export function branchNodes(
  builder: NetGraphBuilder,
  layout: BlockLayout,
  input: string,
  { identityNorm }: BranchesOptions,
): Summand[] {
  const { path } = layout;
  const branches: Summand[] = [
    (name) => addConvBatchNormNodes(builder, branchPaths(`${path}.rbr_dense`), layout, square3, input, name),
  ];
  if (layout.pointwise) {
    branches.push((name) =>
      addConvBatchNormNodes(builder, branchPaths(`${path}.rbr_1x1`), layout, square1, input, name),
    );
  }
  if (layout.identity) {
    branches.push(identityNorm ? (name) => builder.batchNorm(`${path}.rbr_identity`, input, name) : () => input);
  }
  return branches;
}
