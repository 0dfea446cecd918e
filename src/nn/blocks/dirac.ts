import { addDirac } from "../../tensor/ops/add-dirac.js";
import { branchSum } from "../../tensor/ops/branch-sum.js";
import { scaleOutputChannels } from "../../tensor/ops/multiply-channel.js";
import { normalizeFilters, smallestNorm } from "../../tensor/ops/normalize-filters.js";
import type { Tape } from "../../tensor/tape.js";
import type { Parameter, Tensor } from "../../tensor/tensor.js";
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
 * BN(x ∗ Ŵ) with Ŵ = diag(α)·I + diag(β)·W/‖W‖, then ReLU (DiracNets, Zagoruyko and Komodakis, 2017; paper, section 2.2 and
 * table 7). I is the Dirac kernel of withDirac, in every layer; ‖W‖ is each filter's L2 norm. α begins at 1 and β at 0.1, and
 * neither decays, as in that paper.
 */
class DiracBlock implements Block {
  readonly layout: BlockLayout;
  readonly #conv: ConvBatchNorm;
  readonly #alpha: Parameter;
  readonly #beta: Parameter;
  readonly #end: BlockEnd;

  constructor(weights: Weights, layout: BlockLayout) {
    const { path } = layout;
    this.layout = layout;
    this.#conv = convBatchNorm(weights, branchPaths(path));
    this.#alpha = weights.parameter(`${path}.alpha`);
    this.#beta = weights.parameter(`${path}.beta`);
    this.#end = new BlockEnd(weights, layout);
  }

  forward(tape: Tape, x: Tensor, { training }: ForwardOptions): Tensor {
    const { weight, norm } = this.#conv;
    const scaled = scaleOutputChannels(tape, normalizeFilters(tape, weight), this.#beta);
    const branch = { x: blockConv(tape, x, addDirac(tape, scaled, this.#alpha), this.layout), norm };
    return this.#end.forward(tape, (relu) => branchSum(tape, [branch], { relu, training }));
  }
}

export const dirac: BlockDefinition = {
  description: "3×3 with the kernel diag(α)·I + diag(β)·W/‖W‖ (DiracNet), BatchNorm",
  branches: { pointwise: "never", identity: "never" },
  addState(schema, layout) {
    const { path, outChannels } = layout;
    schema.scale(`${path}.alpha`, outChannels, 1);
    schema.scale(`${path}.beta`, outChannels, 0.1);
    addConvBatchNormState(schema, branchPaths(path), layout, square3);
  },
  create: (weights, layout) => new DiracBlock(weights, layout),
  addNodes(builder, layout, input, output) {
    const { path, stride, groups } = layout;
    const { shape, data } = builder.numbers(`${path}.conv.weight`);
    const [alpha, beta] = [builder.numbers(`${path}.alpha`).data, builder.numbers(`${path}.beta`).data];
    const kernel = withDirac(scaledFilters(data, beta), shape, alpha);
    const conv = builder.conv(`${path}.conv`, input, { kernel: square3, stride, groups, weight: kernel });
    builder.batchNorm(`${path}.bn`, conv, output);
  },
};

/** diag(β)·W/‖W‖ of [O, …] */
function scaledFilters(weight: Float64Array, beta: Float64Array): Float64Array {
  const size = weight.length / beta.length;
  return Float64Array.from(beta).reduce((scaled, factor, o) => {
    const filter = scaled.subarray(o * size, (o + 1) * size);
    const norm = Math.max(smallestNorm, Math.hypot(...filter));
    filter.set(filter.map((value) => (factor * value) / norm));
    return scaled;
  }, weight.slice());
}
