import type { Graph } from "../graph/graph.js";
import { type Architecture, epsilonOf } from "../nn/architecture.js";

const key = "batchNormEpsilon";

/**
 * Metadata of a safetensors file of weights by name: "pt" is what Hugging Face's loaders look for, and ε of the BatchNorms, which
 * no weight holds, where it is not PyTorch's default.
 */
export function weightsMetadata(epsilon: Architecture["batchNormEpsilon"]): Record<string, string> {
  return { format: "pt", ...(epsilon !== undefined && { [key]: JSON.stringify(epsilon) }) };
}

/** ε of the BatchNorms as metadata of weights by name states it; undefined where it does not, or in other terms. */
export function epsilonMetadata(metadata: Readonly<Record<string, string>>): Architecture["batchNormEpsilon"] {
  try {
    const value: unknown = JSON.parse(metadata[key] ?? "null");
    if (isEpsilon(value)) return value;
    const byPath =
      value !== null && typeof value === "object" && !Array.isArray(value) && Object.values(value).every(isEpsilon);
    return byPath ? (value as Record<string, number>) : undefined;
  } catch {
    return undefined; // another program's text
  }
}

function isEpsilon(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

/** ε of the BatchNorms of a graph by the official path of each, where they are not all PyTorch's default. */
export function graphEpsilon({ nodes }: Graph): Architecture["batchNormEpsilon"] {
  const epsilons: Record<string, number> = {};
  for (const { op, inputs, attributes } of nodes) {
    const { epsilon } = attributes;
    const path = /^(.*)\.weight$/.exec(inputs[1] ?? "")?.[1];
    if (op !== "BatchNormalization" || path === undefined || epsilon?.type !== "float") continue;
    if (Math.fround(epsilon.value) !== Math.fround(epsilonOf({}, path))) epsilons[path] = epsilon.value;
  }
  return Object.keys(epsilons).length > 0 ? epsilons : undefined;
}
