/** A net's structure as data: enough to build either form, to count it, and to name its weights. Plain JSON. */
export interface Architecture {
  /** "A0" … "D2se", "L2pse", "nano", "tiny", or "custom". */
  readonly name: string;
  /** Whose names the weights have: RepVGG's or RepVGGplus'. */
  readonly family: "repvgg" | "repvggplus";
  /** Number of blocks in stage 1, 2, … (four in the zoo; any number from 1 here). */
  readonly depths: readonly number[];
  /** Output channels of [stage 0, stage 1, …]: one more than `depths`. Absolute, the multipliers already applied. */
  readonly widths: readonly number[];
  /** Stride of the first block of [stage 0, stage 1, …]; every other block has stride 1. The zoo: all 2. */
  readonly strides: readonly number[];
  /** Groups of the 3×3 and 1×1 convolutions by layer, counted from 1 at `stage1.0`; layers that are not named have 1. */
  readonly groups: Readonly<Record<number, number>>;
  /** 1 grey, 3 RGB, or any other number. */
  readonly inputChannels: number;
  /** Number of logits. */
  readonly classes: number;
  /** What blocks are made of in training form. */
  readonly block: BlockSpec;
  /** Squeeze-and-excitation on each block's output (before or after ReLU), squeezed to outputChannels / ratio. */
  readonly squeezeExcite: { readonly position: "before-relu" | "after-relu"; readonly ratio: number } | null;
  /** Layers, counted from 0 at stage 0, that differ from what the rest says, as in pruned or half-folded nets. Absent: none. */
  readonly layers?: Readonly<Record<number, LayerException>>;
  /**
   * ε of the BatchNorms: one number for all, or one by path (`stage1.0.rbr_dense.bn`), where those that are not named have
   * {@link batchNormEpsilon}. Absent: {@link batchNormEpsilon} for all.
   */
  readonly batchNormEpsilon?: number | Readonly<Record<string, number>>;
}

/** What a layer has that the others have not. */
export interface LayerException {
  /** Output channels, where they are not those of the stage. */
  readonly width?: number;
  /** Whether the 1×1 branch is there, where that is not as `block` says. */
  readonly pointwise?: boolean;
  /** Whether the identity branch is there, where that is not as `block` and the shapes say: false only. */
  readonly identity?: false;
  /** The layer is plain also in the net's training form: one 3×3 convolution with bias. */
  readonly folded?: true;
}

/** Kinds of training-form blocks, each in a file of blocks/: RepVGG's own, the variants of the paper's table 7, QARepVGG's. */
export type BlockKind =
  | "repvgg"
  | "identity-without-bn"
  | "post-addition-bn"
  | "qarepvgg"
  | "qarepvgg-v1"
  | "relu-in-branches"
  | "dirac"
  | "trivial"
  | "acb";

/** What a training-form block is made of; `repvgg`: 3×3+BN, 1×1+BN, identity BN (where shapes allow), summed, ReLU. */
export interface BlockSpec {
  /** Which definition it is. */
  readonly kind: BlockKind;
  /** The 1×1 branch is present; false for kinds that never have one. */
  readonly pointwise: boolean;
  /**
   * The identity branch is present where stride is 1 and input channels equal output channels; false for kinds that never
   * have one.
   */
  readonly identity: boolean;
}

/** `train`: with branches and BatchNorm; `plain` (the paper's "deploy"): one 3×3 convolution with bias a block. */
export type Form = "train" | "plain";

/** ε of a BatchNorm where nothing else is said: PyTorch's default, which the authors keep. */
export const batchNormEpsilon = 1e-5;

/** ε of the BatchNorm at a path. */
export function epsilonOf({ batchNormEpsilon: stated }: Pick<Architecture, "batchNormEpsilon">, path: string): number {
  if (typeof stated === "number") return stated;
  return stated && Object.hasOwn(stated, path) ? stated[path]! : batchNormEpsilon;
}
