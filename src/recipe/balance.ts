import { isUnbalanced } from "../data/class-counts.js";
import type { DataWarning } from "../survey/description.js";
import { type BalanceMode, balanceModes } from "../train/balance-modes.js";
import type { TrainConfig } from "../train/config.js";

export { type BalanceMode, balanceModes };

/**
 * How a loss makes up for classes of these sizes where nobody says: by logit adjustment where the largest has at least three times the
 * pictures of the smallest; chosen on held-out training pictures by `bench/unbalanced.mjs --validate`.
 */
export function balanceFor(counts: readonly number[]): BalanceMode {
  return isUnbalanced(counts) ? "logits" : "none";
}

/** What is done about unbalanced classes, in the place of what a warning advises; other warnings stay. */
export function balanceRemedy(
  warning: DataWarning,
  { balance, balanceStrength }: Pick<TrainConfig, "balance" | "balanceStrength">,
): DataWarning {
  if (warning.problem !== "unbalanced") return warning;
  const strength = balanceStrength === 1 ? "" : `, strength ${balanceStrength}`;
  const done = {
    none: "nothing is done about it (--balance none): look at the balanced accuracy",
    logits: `the loss makes up for it by adjusted logits${strength} (--balance): all classes count the same, and large ones are named less often`,
    weights: `the loss makes up for it by weights of classes${strength} (--balance): all classes count more alike`,
  };
  return { ...warning, remedy: done[balance] };
}
