import { type AskedFacts, classifierOf } from "../classifier/net-classifier.js";
import type { Net, NetSource } from "../exchange/net.js";
import { type LoadOptions, modelOf } from "../exchange/read-net.js";
import type { Model } from "../nn/model.js";
import type { Terminal } from "../terminal/terminal.js";
import { loadNamed } from "./named-net.js";

const formatNames = { repvgg: "model file", safetensors: "safetensors", torch: "PyTorch checkpoint", onnx: "ONNX" };

/** A model for commands that need one, with a remark on what was assumed of a file of others. */
export async function readModel(
  path: string,
  options: LoadOptions,
  terminal: Terminal,
): Promise<{ readonly model: Model; readonly source: NetSource }> {
  const net = await loadNamed(path, options);
  const model = modelOf(net, path);
  if (net.source.notes.length > 0) terminal.say(describeSource(path, net));
  return { model, source: net.source };
}

/**
 * A net for commands that ask it for classes: what was asked for stands where its file says nothing. Says what was assumed.
 * @throws UserError for a net that does not classify pictures, or other than was asked for.
 */
export async function readClassifier(
  path: string,
  asked: AskedFacts,
  options: LoadOptions,
  terminal: Terminal,
): Promise<Net> {
  const net = await loadNamed(path, { ...options, ...asked });
  const { notes } = classifierOf(net, asked);
  const { source } = net;
  const all = [...new Set([...source.notes, ...notes])];
  if (all.length > 0) terminal.say(describeSource(path, { ...net, source: { ...source, notes: all } }));
  return { ...net, source: { ...source, notes: all } };
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
