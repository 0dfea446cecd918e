import type { TrainConfig } from "./config.js";

/** What the loss of a picture is changed by. */
export type ClassBalance =
  | {
      readonly mode: "logits";
      /** [classes], added to the logits before the softmax of the loss. */
      readonly adjustment: Float32Array;
    }
  | {
      readonly mode: "weights";
      /** [classes], of each class's part of a target; their mean over the training pictures is 1. */
      readonly weights: Float32Array;
    };

/**
 * The balance of a configuration for classes of these sizes n, N pictures together, with strength τ.
 *
 * `logits`: τ · log(n / N) is added to the logits while training, and left out afterwards (Menon et al. 2021, "Long-tail learning via logit
 * adjustment", section 5, equation 10): with τ = 1 the net's own logits are best for the mean recall of the classes.
 * `weights`: each class's terms of the cross-entropy count (N / n)^τ times, divided by the mean over the pictures, so that learning rates
 * keep their meaning; τ = 1 is inverse frequency, 0.5 its root. A class without pictures, which only label smoothing knows, weighs nothing.
 * @param counts training pictures of each class
 * @returns undefined where nothing is done
 */
export function classBalance(
  { balance, balanceStrength }: Pick<TrainConfig, "balance" | "balanceStrength">,
  counts: readonly number[],
): ClassBalance | undefined {
  const total = counts.reduce((sum, count) => sum + count, 0);
  switch (balance) {
    case "none":
      return undefined;
    case "logits":
      // A class without pictures counts as one of 1: −∞ would leave its logit to chance.
      return {
        mode: "logits",
        adjustment: Float32Array.from(counts, (n) => balanceStrength * Math.log(Math.max(1, n) / total)),
      };
    case "weights": {
      const weights = counts.map((n) => (n === 0 ? 0 : (total / n) ** balanceStrength));
      const mean = weights.reduce((sum, weight, c) => sum + weight * counts[c]!, 0) / total;
      return { mode: "weights", weights: Float32Array.from(weights, (weight) => weight / mean) };
    }
  }
}

/**
 * Targets whose classes weigh differently, as targets that sum to 1 again and a weight for each picture:
 * −Σ w_k t_k log p_k = s · −Σ (w_k t_k / s) log p_k with s = Σ w_k t_k.
 * @param targets [pictures][classes]; changed in place
 * @param weights [classes]
 * @returns s of each picture
 */
export function weighTargets(targets: Float32Array, weights: Float32Array): Float32Array {
  const classes = weights.length;
  return Float32Array.from({ length: targets.length / classes }, (_, picture) => {
    const row = targets.subarray(picture * classes, (picture + 1) * classes);
    const sum = row.reduce((total, target, k) => total + target * weights[k]!, 0);
    if (sum > 0) for (let k = 0; k < classes; k++) row[k] = (row[k]! * weights[k]!) / sum;
    return sum;
  });
}
