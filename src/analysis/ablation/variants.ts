import type { BlockKind } from "../../nn/architecture.js";

/** A net that an ablation trains: the base net with other blocks. */
export interface AblationVariant {
  /** On the command line, in results, and of the runs' folder. */
  readonly name: string;
  /** As the paper has it. */
  readonly title: string;
  /** Of the paper (arXiv 2101.03697): 6, which branches there are; 7, what else a block could be. */
  readonly table: 6 | 7;
  /** What differs from the base net. */
  readonly net: {
    readonly block?: BlockKind;
    readonly branches?: { readonly pointwise?: boolean; readonly identity?: boolean };
  };
  /** ImageNet top-1 of RepVGG-B0 with these blocks after 120 epochs, in the paper's table. */
  readonly paperTop1: number;
}

/** The full RepVGG block, which both tables compare with. */
export const baseVariant: AblationVariant = {
  name: "base",
  title: "RepVGG (all branches)",
  table: 6,
  net: {},
  paperTop1: 0.7514,
};

/** Every variant, the base first, in the order of the paper's tables. */
export const ablationVariants: readonly AblationVariant[] = [
  baseVariant,
  {
    name: "no-branches",
    title: "3×3 only",
    table: 6,
    net: { branches: { pointwise: false, identity: false } },
    paperTop1: 0.7239,
  },
  { name: "pointwise-only", title: "3×3 + 1×1", table: 6, net: { branches: { identity: false } }, paperTop1: 0.7315 },
  {
    name: "identity-only",
    title: "3×3 + identity",
    table: 6,
    net: { branches: { pointwise: false } },
    paperTop1: 0.7479,
  },
  table7("identity-without-bn", "Identity without BN", 0.7418),
  table7("post-addition-bn", "BN after the addition", 0.7352),
  table7("relu-in-branches", "ReLU in branches", 0.7569),
  table7("dirac", "DiracNet", 0.7397),
  table7("trivial", "Trivial re-param (W + I)", 0.7351),
  table7("acb", "ACB", 0.7358),
];

/** Variants of table 7 are named as their blocks are. */
function table7(block: BlockKind, title: string, paperTop1: number): AblationVariant {
  return { name: block, title, table: 7, net: { block }, paperTop1 };
}
