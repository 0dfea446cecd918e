import { batchNormEpsilon } from "../nn/architecture.js";
import { architecture as build } from "../nn/build-architecture.js";
import type { Model } from "../nn/model.js";

/** Nets of the zoo that timm registers (timm/models/byobnet.py) and has published weights of (docs/pull.md lists them). */
export const timmNets: ReadonlySet<string> = new Set([
  "A0",
  "A1",
  "A2",
  "B0",
  "B1",
  "B1g4",
  "B2",
  "B2g4",
  "B3",
  "B3g4",
  "D2se",
]);

/** Whether timm can build this net from its name and read its weights: one that it registers, in training form, for pictures in colour. */
export function isTimmNet({ architecture, form }: Pick<Model, "architecture" | "form">): boolean {
  const { name, classes, inputChannels, layers, batchNormEpsilon: epsilon = batchNormEpsilon } = architecture;
  if (form !== "train" || !timmNets.has(name) || inputChannels !== 3) return false;
  const registered = build(name, { classes });
  const fields = ["depths", "widths", "strides", "groups", "block", "squeezeExcite"] as const;
  const same = fields.every((field) => canonical(architecture[field]) === canonical(registered[field]));
  return same && epsilon === batchNormEpsilon && layers === undefined;
}

/** As text, whatever the order of keys. */
function canonical(value: unknown): string {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return JSON.stringify(value);
  return JSON.stringify(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
