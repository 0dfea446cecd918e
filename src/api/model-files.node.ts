import { type FileLoadOptions, type NetFile, nameOfSource } from "../exchange/load-net.node.js";
import { type Net, netOf } from "../exchange/net.js";
import { modelOf } from "../exchange/read-net.js";
import { type SaveOptions, saveNet } from "../exchange/save-net.node.js";
import { loadNamed, type NetworkOptions } from "../hub/named-net.node.js";
import type { Model } from "../nn/model.js";

export type { NetFile, SaveOptions };

/** How a file is read, and a published net got where the cache has none. */
export interface LoadOptions extends FileLoadOptions, NetworkOptions {}

/**
 * Reads any net: a file (our model files, PyTorch checkpoints (`.pth`, `.pt`), safetensors and ONNX, recognised by content), or a published
 * net by its name on the hub (`timm/repvgg_a0.rvgg_in1k`), which is downloaded once and then taken from the cache ({@link pull} gets a newer
 * one). Weights by name become a {@link Model} (RepVGG, RepVGGplus in the names of their authors, timm or mmpretrain) or a graph (MobileOne in
 * Apple's or timm's); structure and form are read off names and shapes. Class names and preprocessing that a file at a path does not hold are
 * read from a `.json` of the same name beside it (timm's `config.json`), where there is one.
 * @param source a path, a name, or a file's contents (kept, not copied)
 * @throws UserError for a missing or unreadable file, a name that cannot be got, a file of another kind or weights of another net; FormatError
 * for a damaged file.
 */
export async function loadNet(source: NetFile, options: LoadOptions = {}): Promise<Net> {
  const { offline, endpoint, token, revision, onBytes, signal, ...reading } = options;
  const given = { offline, endpoint, token, revision, onBytes, signal };
  const network = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return loadNamed(source, reading, network);
}

/** {@link loadNet} of a RepVGG. @throws UserError also for another net. */
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
