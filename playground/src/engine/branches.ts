import type { BlockLayout, BranchName } from "repvgg/browser";

/** The branches that a block has in training form. */
export function branchesOf({ pointwise, identity }: Pick<BlockLayout, "pointwise" | "identity">): BranchName[] {
  return ["dense", ...(pointwise ? ["pointwise" as const] : []), ...(identity ? ["identity" as const] : [])];
}
