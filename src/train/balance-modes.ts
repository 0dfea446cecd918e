/** How a loss makes up for classes of different sizes. */
export const balanceModes: readonly BalanceMode[] = ["none", "logits", "weights"];
/** Name of a way to make up for classes of different sizes: see `TrainConfig.balance`. */
export type BalanceMode = "none" | "logits" | "weights";
