import type { Graph } from "#repvgg/graph/graph.js";

export const examples: Readonly<Record<string, () => Graph>>;
