import type { BlockBranches, NamedBlockKind } from "./block-names.js";

/** A net's structure as names and shapes tell it; fits `Architecture` of the room `nn`. */
export interface InferredStructure {
  readonly name: "custom";
  readonly family: "repvgg" | "repvggplus";
  readonly depths: readonly number[];
  readonly widths: readonly number[];
  readonly strides: readonly number[];
  readonly groups: Readonly<Record<number, number>>;
  readonly inputChannels: number;
  /** 0 where the classifier is missing. */
  readonly classes: number;
  readonly block: { readonly kind: NamedBlockKind; readonly pointwise: boolean; readonly identity: boolean };
  readonly squeezeExcite: { readonly position: "before-relu" | "after-relu"; readonly ratio: number } | null;
  /** What layers have that the others have not: other widths (pruned nets), branches that are missing, folded blocks. */
  readonly layers?: Readonly<Record<number, InferredException>>;
}

export interface InferredException {
  readonly width?: number;
  readonly pointwise?: boolean;
  readonly identity?: false;
  readonly folded?: true;
}

/** A block as its names and shapes tell it. */
export interface InferredBlock {
  readonly path: string;
  /** From 0, the stem. */
  readonly stage: number;
  /** Of the kernel; undefined where the block has none. */
  readonly kernel: readonly number[] | undefined;
  readonly inChannels: number;
  readonly outChannels: number;
  /** It has one convolution with bias and no branches. */
  readonly folded: boolean;
  readonly branches: BlockBranches;
}
