import type { Net } from "../api/exchange/net.js";
import type { BlockSpec } from "../nn/architecture.js";
import { blockDefinition } from "../nn/blocks/registry.js";

const formatNames = { repvgg: "model file", safetensors: "safetensors", torch: "PyTorch checkpoint", onnx: "ONNX" };

/** One line on what a file turned out to be. */
export function describeSource(path: string, { model, source }: Net): string {
  const { format, scheme, form, notes } = source;
  const net = model ? `RepVGG ${model.architecture.name}` : scheme ? "MobileOne" : "";
  const names = scheme && format !== "repvgg" ? `${scheme} names` : "";
  const facts = [formatNames[format], net, form && `${form === "train" ? "training" : "plain"} form`, names];
  return [`${path}: ${facts.filter(Boolean).join(", ")}`, ...notes.map((note) => `  ${note}`)].join("\n");
}

/** What a net's blocks are in training form: "repvgg (3×3 + 1×1 + identity, each with BatchNorm), without 1×1 branches". */
export function describeBlock({ kind, pointwise, identity }: BlockSpec): string {
  const { description, branches } = blockDefinition(kind);
  const absent = [
    !pointwise && branches.pointwise === "optional" && "1×1",
    !identity && branches.identity === "optional" && "identity",
  ].filter(Boolean);
  return `${kind} (${description})${absent.length > 0 ? `, without ${absent.join(" and ")} branches` : ""}`;
}
