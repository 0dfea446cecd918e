/** What an array of a state is. `conv` and `linear` are weights, `bias` is the bias of either, `scale` a factor a channel. */
export type ParameterKind =
  | "conv"
  | "linear"
  | "bias"
  | "scale"
  | "bn-weight"
  | "bn-bias"
  | "bn-mean"
  | "bn-var"
  | "bn-count";

export interface StateEntry {
  readonly name: string;
  /** PyTorch's: convolutions [O, I/groups, kh, kw], linear [out, in], scales and BN [C], num_batches_tracked []. */
  readonly shape: readonly number[];
  readonly kind: ParameterKind;
  /** Float32, but for the int64 counter `num_batches_tracked`. */
  readonly dtype: "f32" | "i64";
  /** Learned by gradients: not a BN statistic. */
  readonly trainable: boolean;
  /** Weight decay applies: weights of convolutions and linear layers, and `rbr_identity.weight` (the authors' rule). */
  readonly decay: boolean;
  /** What every element begins with; undefined for the random weights and biases of convolutions and linear layers. */
  readonly initial: number | undefined;
}

/** Names and shapes of a net's state, in the official order. */
export type StateSchema = ReadonlyMap<string, StateEntry>;

/** Collects the arrays of a state, module by module. */
export class SchemaBuilder {
  readonly schema = new Map<string, StateEntry>();

  /** @param kernel [height, width] */
  conv(path: string, outputs: number, inputs: number, kernel: readonly [number, number], bias = false): void {
    this.#add(`${path}.weight`, "conv", [outputs, inputs, ...kernel], { decay: true });
    if (bias) this.#add(`${path}.bias`, "bias", [outputs]);
  }

  linear(path: string, outputs: number, inputs: number): void {
    this.#add(`${path}.weight`, "linear", [outputs, inputs], { decay: true });
    this.#add(`${path}.bias`, "bias", [outputs]);
  }

  /** @param options.decay weight decay applies to γ. Default false. */
  batchNorm(path: string, channels: number, options: { readonly decay?: boolean } = {}): void {
    this.#add(`${path}.weight`, "bn-weight", [channels], { initial: 1, ...options });
    this.#add(`${path}.bias`, "bn-bias", [channels], { initial: 0 });
    this.#add(`${path}.running_mean`, "bn-mean", [channels], { initial: 0, trainable: false });
    this.#add(`${path}.running_var`, "bn-var", [channels], { initial: 1, trainable: false });
    this.#add(`${path}.num_batches_tracked`, "bn-count", [], { initial: 0, trainable: false });
  }

  /** A learned factor for each channel, without weight decay. */
  scale(path: string, channels: number, initial: number): void {
    this.#add(path, "scale", [channels], { initial });
  }

  #add(
    name: string,
    kind: ParameterKind,
    shape: readonly number[],
    { trainable = true, decay = false, initial }: Partial<Pick<StateEntry, "trainable" | "decay" | "initial">> = {},
  ): void {
    const dtype = kind === "bn-count" ? "i64" : "f32";
    this.schema.set(name, { name, shape, kind, dtype, trainable, decay, initial });
  }
}
