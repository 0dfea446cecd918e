import type { BlockSpec } from "../architecture.js";
import { blockDefinition } from "./registry.js";

/** What blocks are in training form, for readers: "3×3 + 1×1 + identity, each with BatchNorm; without 1×1 branches". */
export function describeBlock({ kind, pointwise, identity }: BlockSpec): string {
  const { description, branches } = blockDefinition(kind);
  const absent = [
    !pointwise && branches.pointwise === "optional" && "1×1",
    !identity && branches.identity === "optional" && "identity",
  ].filter(Boolean);
  return `${description}${absent.length > 0 ? `; without ${absent.join(" and ")} branches` : ""}`;
}
