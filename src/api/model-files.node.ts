import { type LoadOptions, loadNet, type NetFile, nameOfSource } from "../exchange/load-net.node.js";
import { netOf } from "../exchange/net.js";
import { modelOf } from "../exchange/read-net.js";
import { type SaveOptions, saveNet } from "../exchange/save-net.node.js";
import type { Model } from "../nn/model.js";

export type { LoadOptions, NetFile, SaveOptions };

/**
 * Reads a RepVGG from a model file of ours, a PyTorch checkpoint or safetensors, in the names of its authors, timm or
 * mmpretrain; see {@link loadNet}.
 * @param source a path, or a file's contents (kept, not copied)
 * @throws UserError for a missing or unreadable file or another net, FormatError for one that is damaged.
 */
export async function loadModel(source: NetFile, options: LoadOptions = {}): Promise<Model> {
  return modelOf(await loadNet(source, options), nameOfSource(source, options.name));
}

/**
 * Writes a model, whole or not at all: `.safetensors` (a model file with all metadata), `.pth` or `.onnx`; see {@link saveNet}.
 * @throws UserError when the path has another ending or cannot be written.
 */
export async function saveModel(model: Model, path: string, options: SaveOptions = {}): Promise<void> {
  await saveNet(netOf(model), path, options);
}
