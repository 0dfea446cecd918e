import { loadNet } from "../exchange/load-net.node.js";
import type { Net, NetSource } from "../exchange/net.js";
import { type LoadOptions, modelOf } from "../exchange/read-net.js";
import type { Model } from "../nn/model.js";
import type { Terminal } from "./terminal.js";

const formatNames = { repvgg: "model file", safetensors: "safetensors", torch: "PyTorch checkpoint", onnx: "ONNX" };

/** A model for commands that need one, with a remark on what was assumed of a file of others. */
export async function readModel(
  path: string,
  options: LoadOptions,
  terminal: Terminal,
): Promise<{ readonly model: Model; readonly source: NetSource }> {
  const net = await loadNet(path, options);
  const model = modelOf(net, path);
  if (net.source.notes.length > 0) terminal.say(describeSource(path, net));
  return { model, source: net.source };
}

function graphName(scheme: string): string {
  return scheme.startsWith("mobileone") ? "MobileOne" : "RepVGG backbone";
}

/** One line on what a file turned out to be. */
export function describeSource(path: string, { model, source }: Net): string {
  const { format, scheme, form, notes } = source;
  const net = model ? `RepVGG ${model.architecture.name}` : scheme ? graphName(scheme) : "";
  const names = scheme && format !== "repvgg" ? `${scheme} names` : "";
  const facts = [formatNames[format], net, form && `${form === "train" ? "training" : "plain"} form`, names];
  return [`${path}: ${facts.filter(Boolean).join(", ")}`, ...notes.map((note) => `  ${note}`)].join("\n");
}
