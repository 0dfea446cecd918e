import type { Net } from "../api/exchange/net.js";

const formatNames = { repvgg: "model file", safetensors: "safetensors", torch: "PyTorch checkpoint", onnx: "ONNX" };

/** One line on what a file turned out to be. */
export function describeSource(path: string, { model, source }: Net): string {
  const { format, scheme, form, notes } = source;
  const net = model ? `RepVGG ${model.architecture.name}` : scheme ? "MobileOne" : "";
  const names = scheme && format !== "repvgg" ? `${scheme} names` : "";
  const facts = [formatNames[format], net, form && `${form === "train" ? "training" : "plain"} form`, names];
  return [`${path}: ${facts.filter(Boolean).join(", ")}`, ...notes.map((note) => `  ${note}`)].join("\n");
}
