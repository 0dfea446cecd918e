import { readSafetensorsFile, writeSafetensorsFile } from "../formats/safetensors/file.node.js";
import type { Model } from "../nn/model.js";
import { decodeModel, encodeModel } from "../nn/model-file.js";

/**
 * Reads a model file (safetensors with our metadata).
 * @throws UserError for a missing or unreadable file, FormatError for one that is damaged or not a model.
 */
export async function loadModel(path: string): Promise<Model> {
  const { arrays, metadata } = await readSafetensorsFile(path);
  return decodeModel(arrays, metadata, path);
}

/** Writes a model file, as a whole or not at all. @throws UserError when it cannot be written. */
export async function saveModel(model: Model, path: string): Promise<void> {
  const { arrays, metadata } = encodeModel(model);
  await writeSafetensorsFile(path, arrays, metadata);
}
