import type { Graph } from "../graph/graph.js";
import { type Architecture, epsilonOf } from "../nn/architecture.js";
import type { Net } from "./net.js";
import { statedFacts } from "./picture-input.js";
import { factsMetadata } from "./stated-facts.js";

/** What is true of a net and no weight shows. */
export interface HiddenFacts {
  /** Of the first block of each stage, stem first. */
  readonly strides?: readonly number[];
  readonly batchNormEpsilon?: Architecture["batchNormEpsilon"];
}

/** What a net's weights alone do not show; ε where it is not PyTorch's default. */
export function hiddenFacts({ model, graph }: Pick<Net, "model" | "graph">): HiddenFacts {
  const epsilon = graphEpsilon(graph);
  return {
    ...(model && { strides: model.architecture.strides }),
    ...(epsilon !== undefined && { batchNormEpsilon: epsilon }),
  };
}

/** {@link HiddenFacts} out of a file's JSON; nothing of it is trusted, what is none is left out. */
export function checkedHiddenFacts(value: unknown): HiddenFacts {
  const { strides, batchNormEpsilon: epsilon } = (typeof value === "object" && value !== null ? value : {}) as {
    readonly [key in keyof HiddenFacts]?: unknown;
  };
  const isStride = (stride: unknown): boolean =>
    Number.isInteger(stride) && Number(stride) >= 1 && Number(stride) <= 64;
  const stated = checkedEpsilon(epsilon);
  return {
    ...(Array.isArray(strides) && strides.every(isStride) && { strides: strides as number[] }),
    ...(stated !== undefined && { batchNormEpsilon: stated }),
  };
}

/**
 * Metadata of a safetensors file of weights by name: `format` "pt" is what Hugging Face's loaders look for; `strides` and
 * `batchNormEpsilon` (where it is not PyTorch's default), which no weight shows; `classNames`, `preprocessing` and `provenance` as in our model files, as far as they
 * are known. All but `format` is JSON.
 */
export function weightsMetadata(net: Net): Record<string, string> {
  const provenance = net.model?.metadata.provenance ?? {};
  return {
    format: "pt",
    ...Object.fromEntries(Object.entries(hiddenFacts(net)).map(([key, value]) => [key, JSON.stringify(value)])),
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

/** What metadata of weights by name says that they do not show. */
export function hiddenInMetadata(metadata: Readonly<Record<string, string>>): HiddenFacts {
  const keys: readonly (keyof HiddenFacts)[] = ["strides", "batchNormEpsilon"];
  return checkedHiddenFacts(Object.fromEntries(keys.map((key) => [key, json(metadata[key])])));
}

function json(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return null; // another program's text
  }
}

/** One ε, or one by path. */
function checkedEpsilon(value: unknown): Architecture["batchNormEpsilon"] {
  if (isEpsilon(value)) return value;
  const byPath =
    value !== null && typeof value === "object" && !Array.isArray(value) && Object.values(value).every(isEpsilon);
  return byPath ? (value as Record<string, number>) : undefined;
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
