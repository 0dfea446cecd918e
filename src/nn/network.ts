import type { Backend } from "../backend/backend.js";
import { ShapeError, UserError } from "../core/errors.js";
import type { NamedArrays } from "../core/named-arrays.js";
import type { Tape } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";
import { type Architecture, epsilonOf, type Form } from "./architecture.js";
import type { Block, ForwardOptions } from "./blocks/block.js";
import { BranchBlock } from "./blocks/branch-block.js";
import { AuxHead, Classifier } from "./blocks/heads.js";
import { PlainBlock } from "./blocks/plain-block.js";
import { blockDefinition } from "./blocks/registry.js";
import { customL2 } from "./custom-l2.js";
import { auxHeadLayouts, type BlockLayout, blockLayouts } from "./layout.js";
import type { Model } from "./model.js";
import { stateSchema } from "./state-schema.js";
import {
  type BatchNormLayer,
  type BatchNormMomentum,
  type NetworkBuffer,
  type NetworkParameter,
  Weights,
} from "./weights.js";

export interface NetworkOutput {
  /** [N,classes] */
  readonly logits: Tensor;
  /** [N,classes] of each auxiliary head, in the order of {@link auxHeadLayouts}: RepVGGplus in training form; else none. */
  readonly auxiliary: readonly Tensor[];
}

/** What of a network stays as it is while the rest is trained. */
export interface Freezing {
  /**
   * Blocks from the first one on whose weights, and BatchNorm statistics, stay; they always run as in inference. Auxiliary heads that read a
   * frozen block's output do not run.
   */
  readonly blocks: number;
  /** The other blocks' BatchNorms normalise by their running statistics, which stay; γ and β are learned. Auxiliary heads' do not. */
  readonly statistics: boolean;
}

export interface NetworkForwardOptions extends ForwardOptions {
  /** Run the auxiliary heads. Default: in training only. */
  readonly auxiliary?: boolean;
  /** Given each block's output [N,H,W,C] before the next one reads it. */
  readonly onBlock?: (layout: BlockLayout, output: Tensor) => void;
}

/**
 * A differentiable net in kernel memory, in either form. It changes only by what optimizers write to its parameters, by
 * `loadState`, and by training-mode BatchNorm; a {@link Model} is its immutable picture.
 */
export class Network {
  readonly architecture: Architecture;
  readonly form: Form;
  readonly blocks: readonly Block[];
  readonly #weights: Weights;
  readonly #auxHeads: ReadonlyMap<string, AuxHead>;
  readonly #classifier: Classifier;
  readonly #freezing: Freezing;

  /** See {@link createNetwork}. */
  constructor(
    backend: Backend,
    model: Pick<Model, "architecture" | "form" | "state">,
    momentum: BatchNormMomentum,
    freezing: Freezing,
  ) {
    const { architecture, form, state } = model;
    this.architecture = architecture;
    this.form = form;
    const epsilon = (path: string): number => epsilonOf(architecture, path);
    const weights = new Weights(backend, stateSchema(architecture, form), state, { momentum, epsilon });
    this.#weights = weights;
    const definition = blockDefinition(architecture.block.kind);
    this.blocks = blockLayouts(architecture).map((layout) =>
      form === "train" && !layout.folded ? definition.create(weights, layout) : new PlainBlock(weights, layout),
    );
    this.#auxHeads = new Map(
      form === "train"
        ? auxHeadLayouts(architecture).map((layout) => [layout.after, new AuxHead(weights, layout)])
        : [],
    );
    this.#classifier = new Classifier(weights, "linear");
    this.#freezing = freezing;
    for (const { name, tensor } of weights.parameters()) if (this.#isFrozen(name)) tensor.requiresGradient = false;
  }

  /**
   * @param input [N,H,W,C]; it stays the caller's.
   * @throws ShapeError for another number of channels, or pictures too small for the strides.
   */
  forward(tape: Tape, input: Tensor, options: NetworkForwardOptions): NetworkOutput {
    const { inputChannels } = this.architecture;
    if (input.shape.length !== 4 || input.shape[3] !== inputChannels) {
      throw new ShapeError({ expected: `input of [N,H,W,${inputChannels}]`, received: `[${input.shape}]` });
    }
    const features = this.#run(tape, input, 0, this.#freezing.blocks, options, []);
    const output = this.forwardFeatures(tape, features, options);
    if (features !== input) tape.release(features);
    return output;
  }

  /**
   * What the frozen blocks make of an input, as in inference: a function of the picture alone, which {@link forwardFeatures} goes on from.
   * @param input [N,H,W,C]
   * @returns [N,H,W,C], or the mean of each channel [N,C] where all blocks are frozen
   */
  features(tape: Tape, input: Tensor): Tensor {
    const { blocks } = this.#freezing;
    const x = this.#run(tape, input, 0, blocks, { training: false }, []);
    return blocks < this.blocks.length ? x : this.#classifier.pool(tape, x);
  }

  /** The rest of {@link forward}. @param features of the last frozen block, or {@link features}; it stays the caller's */
  forwardFeatures(tape: Tape, features: Tensor, options: NetworkForwardOptions): NetworkOutput {
    const auxiliary: Tensor[] = [];
    const x = this.#run(tape, features, this.#freezing.blocks, this.blocks.length, options, auxiliary);
    const logits = tape.scope(() => this.#classifier.forward(tape, x));
    if (x !== features) tape.release(x);
    return { logits, auxiliary };
  }

  /** Blocks `from` to below `to`. @param heads takes the outputs of auxiliary heads @returns `input` itself where there are none */
  #run(tape: Tape, input: Tensor, from: number, to: number, options: NetworkForwardOptions, heads: Tensor[]): Tensor {
    const { blocks, statistics } = this.#freezing;
    const { auxiliary = options.training, training } = options;
    let x = input;
    for (const [index, block] of this.blocks.slice(from, to).entries()) {
      const live = training && !statistics && from + index >= blocks;
      const y = tape.scope(() => block.forward(tape, x, { training: live }));
      if (x !== input) tape.release(x);
      x = y;
      options.onBlock?.(block.layout, x);
      const head = auxiliary && from + index >= blocks ? this.#auxHeads.get(block.layout.path) : undefined;
      if (head) heads.push(tape.scope(() => head.forward(tape, x, { training })));
    }
    return x;
  }

  get classes(): number {
    return this.architecture.classes;
  }

  /**
   * The authors' custom L2 over all blocks; see {@link customL2}.
   * @returns []
   * @throws UserError for the plain form and for other blocks than RepVGG's, which do not have its branches.
   */
  customL2(tape: Tape): Tensor {
    const branchBlocks = this.blocks.filter((block) => block instanceof BranchBlock);
    if (branchBlocks.length === 0) {
      const { kind } = this.architecture.block;
      throw new UserError({
        expected: "a net of RepVGG blocks in training form for custom L2",
        received: this.form === "plain" ? "the plain form" : `blocks of kind ${kind}`,
        remedy: "use ordinary weight decay",
      });
    }
    return customL2(tape, branchBlocks);
  }

  /** Whatever gradients change, in the official order. */
  parameters(): readonly NetworkParameter[] {
    return this.#weights.parameters();
  }

  /** BatchNorm's running statistics, in the official order. */
  buffers(): readonly NetworkBuffer[] {
    return this.#weights.buffers();
  }

  /** Those of {@link parameters} that gradients change now. */
  learned(): readonly NetworkParameter[] {
    return this.parameters().filter(({ tensor }) => tensor.requiresGradient);
  }

  /** Those of {@link buffers} that training changes now. */
  observed(): readonly NetworkBuffer[] {
    return this.buffers().filter(
      ({ name }) => !this.#isFrozen(name) && (!this.#freezing.statistics || !this.#isInBlock(name)),
    );
  }

  batchNorms(): readonly BatchNormLayer[] {
    return this.#weights.batchNorms();
  }

  /** A copy of all weights, statistics and counters, as a {@link Model} holds them. */
  state(): NamedArrays {
    return this.#weights.state();
  }

  /** @throws UserError when the state is of another architecture or form; then nothing has changed. */
  loadState(state: NamedArrays): void {
    this.#weights.load(state);
  }

  dispose(): void {
    this.#weights.dispose();
  }

  /** @param name of a parameter or buffer */
  #isFrozen(name: string): boolean {
    const frozen = this.blocks.slice(0, this.#freezing.blocks).map(({ layout }) => layout.path);
    const dead = frozen.flatMap((path) => this.#auxHeads.get(path)?.layout.path ?? []);
    return [...frozen, ...dead].some((path) => name.startsWith(`${path}.`));
  }

  #isInBlock(name: string): boolean {
    return this.blocks.some(({ layout }) => name.startsWith(`${layout.path}.`));
  }
}

const nothingFrozen: Freezing = { blocks: 0, statistics: false };

/**
 * A model's differentiable network.
 * @param options.momentum of every BatchNorm; default 0.1 (PyTorch's).
 * @param options.freezing default: nothing is frozen.
 * @throws UserError when the model's state does not fit its architecture and form, or kernel memory is exhausted.
 */
export function createNetwork(
  backend: Backend,
  model: Pick<Model, "architecture" | "form" | "state">,
  options: { readonly momentum?: BatchNormMomentum; readonly freezing?: Freezing } = {},
): Network {
  return new Network(backend, model, options.momentum ?? 0.1, options.freezing ?? nothingFrozen);
}
