import { type AblationVariant, ablationVariants, baseVariant } from "../../analysis/ablation/variants.js";
import { nearest, UserError } from "../../core/errors.js";
import type { TrainConfig } from "../../train/config.js";

/** What of the training belongs to the blocks and not to the study: how their own authors decay weights. */
export type Recipe = Readonly<Partial<Pick<TrainConfig, "customL2" | "weightDecay">>>;

/** Blocks that the study trains, with their recipe. */
export interface StudyVariant extends Pick<AblationVariant, "name" | "title" | "net"> {
  readonly recipe: Recipe;
  /** ImageNet top-1 of RepVGG-B0 with these blocks, as in {@link AblationVariant}; null where the paper's tables have none. */
  readonly paperTop1: number | null;
  /** Of table 6: what the paper's claim is read from. */
  readonly claim: boolean;
}

/** Every layer all branches, and none: the two that the claim compares. */
export const allBranches = baseVariant.name;
export const noBranches = "no-branches";

/**
 * Recipes where they differ from the study's own: the authors' custom L2 (their repository, `get_custom_L2`) where there is a 1×1 branch
 * beside the 3×3 (without one it *is* weight decay of the 3×3); DiracNet's own weight decay (its code, `train.py`), which is spared α and β.
 */
const recipes: Readonly<Record<string, Recipe>> = {
  [allBranches]: { customL2: true },
  "pointwise-only": { customL2: true },
  dirac: { weightDecay: 5e-4 },
};

/** Every variant, those of table 6 first. */
export const studyVariants: readonly StudyVariant[] = [
  ...ablationVariants.map(({ name, title, net, table, paperTop1 }) => ({
    ...{ name, title, net, paperTop1 },
    recipe: recipes[name] ?? {},
    claim: table === 6,
  })),
  other("ordinary-decay", "All branches, ordinary weight decay", {}),
  other("qarepvgg", "QARepVGG", { block: "qarepvgg" }),
  other("qarepvgg-v1", "QARepVGG, first version", { block: "qarepvgg-v1" }),
];

function other(name: string, title: string, net: StudyVariant["net"]): StudyVariant {
  return { name, title, net, recipe: {}, paperTop1: null, claim: false };
}

/** @throws UserError for an unknown name, with the nearest one */
export function studyVariant(name: string): StudyVariant {
  const found = studyVariants.find((variant) => variant.name === name);
  if (found) return found;
  const known = studyVariants.map((variant) => variant.name);
  const near = nearest(name, known);
  throw new UserError({
    expected: `variants of ${known.join(", ")}`,
    received: `"${name}"`,
    ...(near && { remedy: `did you mean "${near}"?` }),
  });
}
