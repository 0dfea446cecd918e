import type { ConvTarget } from "#repvgg/backend/conv/plan.js";

export const targets: Readonly<Record<string, ConvTarget>>;
