import { UserError } from "../core/errors.js";
import type { Model } from "../nn/model.js";
import { type LoadOptions, loadNet } from "./exchange/load-net.node.js";
import { netOf } from "./exchange/net.js";
import { type SaveOptions, saveNet } from "./exchange/save-net.node.js";

export type { LoadOptions, SaveOptions };

/**
 * Reads a RepVGG from a model file of ours, a PyTorch checkpoint or safetensors, in the names of its authors, timm or
 * mmpretrain; see {@link loadNet}.
 * @throws UserError for a missing or unreadable file or another net, FormatError for one that is damaged.
 */
export async function loadModel(path: string, options: LoadOptions = {}): Promise<Model> {
  const { model, source } = await loadNet(path, options);
  if (model) return model;
  throw new UserError({
    expected: "a RepVGG with its weights by name",
    received: `${path}, ${source.format === "onnx" ? "an ONNX graph" : "a MobileOne"}`,
    remedy: "nets of this kind can be folded, verified and exported, but neither trained nor asked for classes",
  });
}

/**
 * Writes a model, whole or not at all: `.safetensors` (a model file with all metadata), `.pth` or `.onnx`; see {@link saveNet}.
 * @throws UserError when the path has another ending or cannot be written.
 */
export async function saveModel(model: Model, path: string, options: SaveOptions = {}): Promise<void> {
  await saveNet(netOf(model), path, options);
}
