import type { Graph } from "../graph/graph.js";
import { type Architecture, epsilonOf } from "../nn/architecture.js";
import type { Net } from "./net.js";
import { statedFacts } from "./picture-input.js";
import { factsMetadata } from "./stated-facts.js";

const key = "batchNormEpsilon";

/**
 * Metadata of a safetensors file of weights by name: `format` "pt" is what Hugging Face's loaders look for; `batchNormEpsilon`, which
 * no weight holds, where it is not PyTorch's default; `classNames`, `preprocessing` and `provenance` as in our model files, as far as they
 * are known. All but `format` is JSON.
 */
export function weightsMetadata(net: Net): Record<string, string> {
  const epsilon = graphEpsilon(net.graph);
  const provenance = net.model?.metadata.provenance ?? {};
  return {
    format: "pt",
    ...(epsilon !== undefined && { [key]: JSON.stringify(epsilon) }),
    ...factsMetadata(statedFacts(net)),
    ...(Object.keys(provenance).length > 0 && { provenance: JSON.stringify(provenance) }),
  };
}

/** Where weights come from, as their metadata says it; nothing of it is trusted. */
export function provenanceIn({
  provenance = "{}",
}: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  try {
    const value: unknown = JSON.parse(provenance);
    const entries = typeof value === "object" && value !== null ? Object.entries(value) : [];
    return Object.fromEntries(entries.filter(([, text]) => typeof text === "string"));
  } catch {
    return {}; // another program's text
  }
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
