import type { Tape } from "../../tensor/tape.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { BlockLayout } from "../layout.js";
import type { SchemaBuilder } from "../schema-builder.js";
import type { NetGraphBuilder } from "../to-graph-builder.js";
import type { Weights } from "../weights.js";

export interface ForwardOptions {
  /** BatchNorm normalises by the batch and updates its running statistics. */
  readonly training: boolean;
}

/** A step of a network: x [N,H,W,I] → [N,H/stride,W/stride,O]. */
export interface Block {
  readonly layout: BlockLayout;
  forward(tape: Tape, x: Tensor, options: ForwardOptions): Tensor;
}

export type BranchPresence = "always" | "optional" | "never";

/**
 * A kind of block in training form: its weights, its forward pass and its graph, each up to the value before the ReLU.
 * In plain form all kinds are one 3×3 convolution (PlainBlock). Squeeze-and-excitation and the ReLU are nobody's own.
 */
export interface BlockDefinition {
  /** What is computed before the ReLU, for readers: "3×3 + 1×1 + identity, each with BatchNorm". */
  readonly description: string;
  /** Whether the kind has RepVGG's branches beside the 3×3 one; those that are optional an architecture may leave out. */
  readonly branches: { readonly pointwise: BranchPresence; readonly identity: BranchPresence };
  /** Why it cannot become one convolution; undefined where it can. */
  readonly unfoldable?: string;
  /** Adds the weights of the training form, in order. */
  addState(schema: SchemaBuilder, layout: BlockLayout): void;
  /** @param weights hold what {@link addState} asked for. */
  create(weights: Weights, layout: BlockLayout): Block;
  /** Adds the nodes that compute `output`, the value before the ReLU, from `input`, in inference mode. */
  addNodes(builder: NetGraphBuilder, layout: BlockLayout, input: string, output: string): void;
}
