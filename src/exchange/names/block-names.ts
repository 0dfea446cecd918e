/** Kinds of blocks that names alone tell apart; fits `BlockKind` of the room `nn`. */
export type NamedBlockKind = "repvgg" | "qarepvgg" | "qarepvgg-v1" | "post-addition-bn" | "acb";

/** Modules of a block, below its path. */
interface Modules {
  /** Convolutions without bias, the one whose kernel tells the block's channels first. */
  readonly convolutions: readonly string[];
  readonly norms: readonly string[];
}

/** What a kind of blocks has always, and with a branch. */
interface KindNames extends Modules {
  readonly pointwise?: Modules;
  /** Absent where the kind has none; no modules where the branch is bare, so that names do not show it. */
  readonly identity?: Modules;
}

const dense: Modules = { convolutions: ["rbr_dense.conv"], norms: ["rbr_dense.bn"] };
const pointwise: Modules = { convolutions: ["rbr_1x1.conv"], norms: ["rbr_1x1.bn"] };
const identity: Modules = { convolutions: [], norms: ["rbr_identity"] };
const bare: Modules = { convolutions: [], norms: [] };
const withPostNorm = ({ convolutions, norms }: Modules): Modules => ({ convolutions, norms: [...norms, "bn"] });

const kinds: Readonly<Record<NamedBlockKind, KindNames>> = {
  repvgg: { ...dense, pointwise, identity },
  "qarepvgg-v1": { ...withPostNorm(dense), pointwise, identity },
  qarepvgg: { ...withPostNorm(dense), pointwise: { convolutions: ["rbr_1x1"], norms: [] }, identity: bare },
  "post-addition-bn": {
    ...{ convolutions: dense.convolutions, norms: ["bn"] },
    pointwise: { convolutions: pointwise.convolutions, norms: [] },
    identity: bare,
  },
  acb: {
    convolutions: ["square_conv", "ver_conv", "hor_conv"],
    norms: ["square_bn", "ver_bn", "hor_bn"],
  },
};

export const normParameters = ["weight", "bias", "running_mean", "running_var"];

/** Whether names show the identity branches of a kind. */
export function showsIdentity(kind: NamedBlockKind): boolean {
  return (kinds[kind].identity?.norms.length ?? 1) > 0;
}

/** The module whose kernel tells a block's channels. */
export function mainModule(kind: NamedBlockKind): string {
  return kinds[kind].convolutions[0]!;
}

/** The kind of a net's blocks, by the names that any of them has. @param has whether any block has a weight of this name below its path */
export function kindOf(has: (name: string) => boolean): NamedBlockKind {
  if (has("square_conv.weight") || has("ver_conv.weight")) return "acb";
  if (!has("bn.running_var") && !has("bn.weight")) return "repvgg";
  if (!has("rbr_dense.bn.running_var") && !has("rbr_dense.bn.weight")) return "post-addition-bn";
  return has("rbr_1x1.conv.weight") || has("rbr_identity.running_var") ? "qarepvgg-v1" : "qarepvgg";
}

/** Which branches a block has beside its main one. */
export interface BlockBranches {
  readonly pointwise: boolean;
  readonly identity: boolean;
}

/** The branches whose names a block has; a bare identity counts as there. @param has whether it has any weight of this module */
export function branchesOf(kind: NamedBlockKind, has: (module: string) => boolean): BlockBranches {
  const present = (modules: Modules | undefined): boolean =>
    modules !== undefined &&
    (modules === bare || [...modules.convolutions, ...modules.norms].some((module) => has(module)));
  return { pointwise: present(kinds[kind].pointwise), identity: present(kinds[kind].identity) };
}

/** The names below its path that a block in training form has; counters left out, as some files do. */
export function blockNames(kind: NamedBlockKind, branches: BlockBranches): string[] {
  const all = kinds[kind];
  const groups = [
    ...(branches.identity && all.identity ? [all.identity] : []),
    all,
    ...(branches.pointwise && all.pointwise ? [all.pointwise] : []),
  ];
  return groups.flatMap(({ convolutions, norms }) => [
    ...convolutions.map((module) => `${module}.weight`),
    ...norms.flatMap((module) => normParameters.map((parameter) => `${module}.${parameter}`)),
  ]);
}
