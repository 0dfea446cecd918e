/** How a loss makes up for classes of different sizes. */
export const balanceModes = ["none", "logits", "weights"] as const;
/** Name of a way to make up for classes of different sizes: see `TrainConfig.balance`. */
export type BalanceMode = (typeof balanceModes)[number];
